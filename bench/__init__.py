"""Benchmarks: speed on lab hosts. Never run as tests, since machines differ and are noisy."""
