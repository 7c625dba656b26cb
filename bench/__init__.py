"""Measurements, as ratios against a floor of the same run: machines are noisy, ratios less so."""
