"""Analysis of controllers: stimuli, neural activity with a stimulus, diagnosis of problems, energy and speed."""
