import { readFileSync } from "node:fs";
import { verifyProof } from "../../examples/proof/verify.mjs";

const { keys, cases } = JSON.parse(readFileSync(0));

function outcome({ token, ...wanted }) {
  try {
    return verifyProof(token, keys, wanted);
  } catch (error) {
    return String(error);
  }
}

const results = Object.entries(cases).map(([name, made]) => [name, outcome(made)]);
console.log(JSON.stringify(Object.fromEntries(results)));
