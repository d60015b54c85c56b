"""Executors: numpy reference, host C, emulated ARM; one interface (`base.Executor`)."""
