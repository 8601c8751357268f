"""The gRPC API: phoneotp.PhoneOTPService, served by `python -m otp_app grpc`. docs/grpc.md has its clients."""
