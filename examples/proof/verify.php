<?php
declare(strict_types=1);

const LEEWAY = 10; // seconds by which the clocks may differ
const CLAIMS = ['iss', 'aud', 'iat', 'exp', 'jti', 'phone_number', 'phone_number_verified', 'purpose', 'nonce'];

/** Return the claims of a proof. $keys: an array of JWKs. Throws an Exception. */
function verify_proof(
    string $token, array $keys, string $issuer, string $audience, string $purpose, string $nonce
): array {
    if (!preg_match('/\A([\w-]+)\.([\w-]+)\.([\w-]+)\z/', $token, $part)) {
        throw new Exception('no token');
    }
    $header = json_decode(base64url($part[1]), true);
    [$jwk] = array_values(array_filter($keys, fn ($key) => $key['kid'] === ($header['kid'] ?? null))) + [null];
    if ($jwk === null || ($header['typ'] ?? '') !== 'otp-proof+jwt') {
        throw new Exception('no proof, or of an unknown key');
    }
    // The algorithm is the key's: a token that names another is refused.
    if (($header['alg'] ?? '') !== $jwk['alg'] || !is_signed("$part[1].$part[2]", base64url($part[3]), $jwk)) {
        throw new Exception('a wrong signature');
    }
    $claims = json_decode(base64url($part[2]), true);
    if (array_diff(CLAIMS, array_keys($claims))) {
        throw new Exception('a claim is missing');
    }
    if ($claims['exp'] <= time() - LEEWAY || $claims['iat'] > time() + LEEWAY) {
        throw new Exception('not of now');
    }
    $is = [$claims['iss'], $claims['aud'], $claims['purpose'], $claims['nonce'], $claims['phone_number_verified']];
    if ($is !== [$issuer, $audience, $purpose, $nonce, true]) {
        throw new Exception('a proof of something else');
    }
    return $claims;
}

function is_signed(string $text, string $signature, array $jwk): bool
{
    return match ($jwk['alg']) {
        'EdDSA' => sodium_crypto_sign_verify_detached($signature, $text, base64url($jwk['x'])),
        'HS256' => hash_equals(hash_hmac('sha256', $text, base64url($jwk['k']), true), $signature),
        default => false,
    };
}

function base64url(string $text): string
{
    return base64_decode(strtr($text, '-_', '+/'));
}
