"""The native API: POST /send-otp, /resend-otp and /verify-otp, and verifications by id. docs/api.md has every field."""
