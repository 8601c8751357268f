import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";

const LEEWAY = 10, LONGEST_LIFE = 600; // seconds: by which the clocks may differ, and between iat and exp

/** Return the claims of a proof. `keys`: an array of JWKs. Throws an Error. */
export function verifyProof(token, keys, { issuer, audience, purpose, nonce }) {
  if (typeof token !== "string" || token.length > 4096 || !/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}$/.test(token)) {
    throw new Error("no token");
  }
  const [head, body, signature] = token.split(".");
  const header = parse(head);
  const jwk = keys.find((key) => typeof header.kid === "string" && key.kid === header.kid);
  if (!jwk || header.typ !== "otp-proof+jwt" || Object.hasOwn(header, "crit")) {
    throw new Error("no proof, or of an unknown key");
  }
  // The algorithm is the key's: a token that names another is rejected.
  if (header.alg !== jwk.alg || !isSigned(`${head}.${body}`, decode(signature), jwk)) {
    throw new Error("a wrong signature");
  }
  const claims = parse(body);
  const { iat, exp, nbf = iat } = claims;
  const is = [claims.iss, claims.aud, claims.purpose, claims.nonce];
  const isWanted = [issuer, audience, purpose, nonce].every((wanted, i) => typeof is[i] === "string" && wanted === is[i]);
  const isText = [claims.jti, claims.phone_number].every((value) => typeof value === "string");
  if (!isWanted || !isText || claims.phone_number_verified !== true) throw new Error("a proof of something else");
  if (![iat, exp, nbf].every(Number.isSafeInteger) || !(exp > iat && exp - iat <= LONGEST_LIFE)) {
    throw new Error("a time is none");
  }
  const now = Date.now() / 1000;
  if (exp <= now - LEEWAY || Math.max(iat, nbf) > now + LEEWAY) throw new Error("not of now");
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
  if (found === null || typeof found !== "object" || Array.isArray(found)) throw new Error("no JSON object");
  return found;
}

/** Return the bytes of base64url, of which there is one spelling only. */
function decode(part) {
  const found = Buffer.from(part, "base64url");
  if (found.toString("base64url") !== part) throw new Error("no base64url");
  return found;
}
