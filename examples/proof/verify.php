<?php
declare(strict_types=1);

const LEEWAY = 10, LONGEST_LIFE = 600; // seconds: by which the clocks may differ, and between iat and exp

/** Return the claims of a proof. $keys: an array of JWKs. Throws an Exception. */
function verify_proof(
    string $token, array $keys, string $issuer, string $audience, string $purpose, string $nonce
): array {
    if (strlen($token) > 4096 || !preg_match('/\A([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\z/', $token, $part)) {
        throw new Exception('not a token');
    }
    $header = parse($part[1]);
    $kid = $header['kid'] ?? null;
    $known = array_filter($keys, fn ($key) => is_string($kid) && ($key['kid'] ?? null) === $kid);
    [$jwk] = array_values($known) + [null];
    if ($jwk === null || ($header['typ'] ?? '') !== 'otp-proof+jwt' || array_key_exists('crit', $header)) {
        throw new Exception('not a proof, or an unknown key');
    }
    // The key decides the algorithm: a token that names another is rejected.
    if (($header['alg'] ?? '') !== $jwk['alg'] || !is_signed("$part[1].$part[2]", decode($part[3]), $jwk)) {
        throw new Exception('the wrong algorithm or signature');
    }
    $claims = parse($part[2]);
    $is = array_map(fn ($name) => $claims[$name] ?? null, ['iss', 'aud', 'purpose', 'nonce', 'phone_number_verified']);
    $is_text = is_string($claims['jti'] ?? null) && is_string($claims['phone_number'] ?? null);
    if (!$is_text || $is !== [$issuer, $audience, $purpose, $nonce, true]) {
        throw new Exception('a proof for something else');
    }
    [$iat, $exp] = [$claims['iat'] ?? null, $claims['exp'] ?? null];
    $nbf = array_key_exists('nbf', $claims) ? $claims['nbf'] : $iat;
    $is_time = is_whole($iat) && is_whole($exp) && is_whole($nbf);
    if (!$is_time || $exp <= $iat || $exp - $iat > LONGEST_LIFE) {
        throw new Exception('a time is missing or invalid');
    }
    if ($exp <= microtime(true) - LEEWAY || max($iat, $nbf) > microtime(true) + LEEWAY) {
        throw new Exception('expired, or not valid yet');
    }
    return $claims;
}

function is_whole(mixed $value): bool
{
    return (is_int($value) || is_float($value)) && abs($value) < 2 ** 53 && floor($value) == $value;
}

function is_signed(string $text, string $signature, array $jwk): bool
{
    return match ($jwk['alg']) {
        'EdDSA' => strlen($signature) === SODIUM_CRYPTO_SIGN_BYTES
            && sodium_crypto_sign_verify_detached($signature, $text, base64_decode(strtr($jwk['x'], '-_', '+/'))),
        'HS256' => hash_equals(hash_hmac('sha256', $text, base64_decode(strtr($jwk['k'], '-_', '+/')), true), $signature),
        default => false,
    };
}

function parse(string $part): array
{
    $text = decode($part);
    $found = json_decode($text, true);
    if (!is_array($found) || ltrim($text, " \t\r\n")[0] !== '{') {
        throw new Exception('not a JSON object');
    }
    return $found;
}

/** Return the bytes of base64url, which must be in its canonical form. */
function decode(string $part): string
{
    $found = base64_decode(strtr($part, '-_', '+/'), true);
    if ($found === false || rtrim(strtr(base64_encode($found), '+/', '-_'), '=') !== $part) {
        throw new Exception('not base64url');
    }
    return $found;
}
