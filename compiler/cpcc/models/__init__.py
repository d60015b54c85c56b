"""Model files of PyTorch, ONNX and TensorFlow Lite: opened, and made the network or detector that is built."""
