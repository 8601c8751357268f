"""Connect RPC: accounts, `auth.AuthService`, and codes, `otp.OtpService`, in JSON or Protocol Buffers."""
