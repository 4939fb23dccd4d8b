"""The broker through which workers hear of jobs."""
