import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";

const LEEWAY = 10; // seconds by which the clocks may differ
const CLAIMS = ["iss", "aud", "iat", "exp", "jti", "phone_number", "phone_number_verified", "purpose", "nonce"];

/** Return the claims of a proof. `keys`: an array of JWKs. Throws an Error. */
export function verifyProof(token, keys, { issuer, audience, purpose, nonce }) {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw new Error("no token");
  const [head, body, signature] = token.split(".");
  const header = parse(head);
  const jwk = keys.find((key) => key.kid === header.kid);
  if (!jwk || header.typ !== "otp-proof+jwt") throw new Error("no proof, or of an unknown key");
  // The algorithm is the key's: a token that names another is refused.
  if (header.alg !== jwk.alg || !isSigned(`${head}.${body}`, Buffer.from(signature, "base64url"), jwk)) {
    throw new Error("a wrong signature");
  }
  const claims = parse(body);
  if (!CLAIMS.every((name) => Object.hasOwn(claims, name))) throw new Error("a claim is missing");
  const now = Date.now() / 1000;
  if (!(claims.exp > now - LEEWAY && claims.iat <= now + LEEWAY)) throw new Error("not of now");
  const is = [claims.iss, claims.aud, claims.purpose, claims.nonce, claims.phone_number_verified];
  if (![issuer, audience, purpose, nonce, true].every((wanted, i) => wanted === is[i])) {
    throw new Error("a proof of something else");
  }
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
  return JSON.parse(Buffer.from(part, "base64url"));
}
