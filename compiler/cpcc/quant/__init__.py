"""Steps of the quantizer."""
