"""Analysis of a controller: stimuli, activity with a stimulus, diagnosis, energy and speed."""
