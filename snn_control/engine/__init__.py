"""The engine: it compiles controllers to Programs, binds Programs to memory, and runs them tick by tick."""
