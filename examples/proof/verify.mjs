import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";

const LEEWAY = 10, LONGEST_LIFE = 600; // seconds: by which the clocks may differ, and between iat and exp

/** Return the claims of a proof. `keys`: an array of JWKs. Throws an Error. */
export function verifyProof(token, keys, { issuer, audience, purpose, nonce }) {
  if (typeof token !== "string" || token.length > 4096 || !/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}$/.test(token)) {
    throw new Error("not a token");
  }
  const [head, body, signature] = token.split(".");
  const header = parse(head);
  const jwk = keys.find((key) => typeof header.kid === "string" && key.kid === header.kid);
  if (!jwk || header.typ !== "otp-proof+jwt" || Object.hasOwn(header, "crit")) {
    throw new Error("not a proof, or an unknown key");
  }
  // The key decides the algorithm: a token that names another is rejected.
  if (header.alg !== jwk.alg || !isSigned(`${head}.${body}`, decode(signature), jwk)) {
    throw new Error("the wrong algorithm or signature");
  }
  const claims = parse(body);
  const { iat, exp, nbf = iat } = claims;
  const is = [claims.iss, claims.aud, claims.purpose, claims.nonce];
  const isWanted = [issuer, audience, purpose, nonce].every((wanted, i) => typeof is[i] === "string" && wanted === is[i]);
  const isText = [claims.jti, claims.phone_number].every((value) => typeof value === "string");
  if (!isWanted || !isText || claims.phone_number_verified !== true) throw new Error("a proof for something else");
  if (![iat, exp, nbf].every(Number.isSafeInteger) || !(exp > iat && exp - iat <= LONGEST_LIFE)) {
    throw new Error("a time is missing or invalid");
  }
  const now = Date.now() / 1000;
  if (exp <= now - LEEWAY || Math.max(iat, nbf) > now + LEEWAY) throw new Error("expired, or not valid yet");
  return claims;
}

function isSigned(text, signature, jwk) {
  if (jwk.alg === "EdDSA") {
    return verify(null, Buffer.from(text), createPublicKey({ key: jwk, format: "jwk" }), signature);
  }
  if (jwk.alg !== "HS256") return false;
  const mac = createHmac("sha256", Buffer.from(jwk.k, "base64url")).update(text).digest();
  return mac.length === signature.length && timingSafeEqual(mac, signature);
}

function parse(part) {
  const found = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(decode(part)));
  if (found === null || typeof found !== "object" || Array.isArray(found)) throw new Error("not a JSON object");
  return found;
}

/** Return the bytes of base64url, which must be in its canonical form. */
function decode(part) {
  const found = Buffer.from(part, "base64url");
  if (found.toString("base64url") !== part) throw new Error("not base64url");
  return found;
}
