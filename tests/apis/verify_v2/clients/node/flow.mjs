// Twilio's own Node client against a server that offers Verify v2: every call that an application makes.
//   node flow.mjs BASE CODE_URL ACCOUNT TOKEN NUMBER...      (three numbers that nobody has used; CODE_URL?to=NUMBER)
// Ends with an AssertionError at the first answer that is not as it should be; prints one line otherwise.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import twilio from "twilio";

const [base, codeUrl, account, token, ...numbers] = process.argv.slice(2);
const SERVICE = "VA" + "1".repeat(32);
const { version } = createRequire(import.meta.url)("twilio/package.json");

/** Twilio's client with one attribute more than its users set. */
function connected(secret = token) {
  const client = twilio(account, secret);
  client.verify.baseUrl = base;
  return client;
}

/** The code that a number received last. */
async function codeOf(number) {
  const answer = await fetch(`${codeUrl}?${new URLSearchParams({ to: number })}`);
  return (await answer.json()).code;
}

/** A code of the same length that is not this one. */
function other(code) {
  return (code[0] === "0" ? "1" : "0").repeat(code.length);
}

/** The error of a call that must be refused, as `catch` finds it. */
async function refused(promise, status, code) {
  const error = await promise.then(() => assert.fail("was not refused"), (reason) => reason);
  assert.equal(error.constructor.name, "RestException", error.stack);
  assert.deepEqual([error.status, error.code], [status, code], error.message);
  assert.match(error.moreInfo, new RegExp(`/${code}$`));
  return error;
}

/** Begin, fail once, send again, look, succeed. */
async function approval(service, number) {
  const fields = { locale: "de", rateLimits: { end_user_ip_address: "127.0.0.1" }, tags: '{"campaign":"spring"}' };
  const started = await service.verifications.create({ to: number, channel: "sms", ...fields });
  assert.match(started.sid, /^VE[0-9a-f]{32}$/);
  assert.deepEqual([started.status, started.valid, started.to], ["pending", false, number]);
  assert.ok(started.dateCreated instanceof Date && !Number.isNaN(started.dateCreated.getTime()));
  const code = await codeOf(number);
  const failed = await service.verificationChecks.create({ to: number, code: other(code) });
  assert.deepEqual([failed.status, failed.valid], ["pending", false]);
  const again = await service.verifications.create({ to: number, channel: "whatsapp" });
  assert.deepEqual([again.sid, again.channel, await codeOf(number)], [started.sid, "whatsapp", code]);
  assert.equal(again.sendCodeAttempts.length, 2);
  assert.equal((await service.verifications(number).fetch()).sid, started.sid);
  assert.equal((await service.verifications(started.sid).fetch()).status, "pending");
  const done = await service.verificationChecks.create({ verificationSid: started.sid, code });
  assert.deepEqual([done.status, done.valid, done.to], ["approved", true, number]);
  await refused(service.verificationChecks.create({ to: number, code }), 404, 20404);
  return again;
}

/** What `ask` answers once it answers with something: rows are written half a second after the end. */
async function soon(ask) {
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((done) => setTimeout(done, 100))) {
    const found = await ask();
    if (found.length) return found;
  }
  return assert.fail("nothing came");
}

/** The messages of a verification that was sent twice and approved, page by page, and how many there are of all. */
async function attempts(client, { sid, to, sendCodeAttempts, dateCreated }) {
  const { verificationAttempts: list, verificationAttemptsSummary: summary } = client.verify.v2;
  const [newest, first] = await soon(() => list.list({ verificationSid: sid, pageSize: 1 }));
  const sids = sendCodeAttempts.map((attempt) => attempt.attempt_sid);
  assert.deepEqual([first.sid, newest.sid], sids);
  assert.deepEqual([first.channel, newest.channel], ["sms", "whatsapp"]);
  assert.deepEqual([first.conversionStatus, newest.conversionStatus], ["unconverted", "converted"]);
  assert.deepEqual([newest.verificationSid, newest.serviceSid, newest.accountSid], [sid, SERVICE, account]);
  assert.ok(newest.dateCreated instanceof Date && newest.dateCreated >= first.dateCreated);
  assert.notEqual(newest.channelData.to, to);
  assert.equal((await list(newest.sid).fetch()).verificationSid, sid);
  await refused(list("VL" + "0".repeat(32)).fetch(), 404, 20404);
  const filtered = { channelDataTo: to, status: "converted", dateCreatedAfter: dateCreated };
  assert.deepEqual((await list.list(filtered)).map((attempt) => attempt.sid), [newest.sid]);
  const counted = await summary().fetch({ verifyServiceSid: SERVICE, dateCreatedAfter: dateCreated });
  const { totalAttempts, totalConverted, totalUnconverted, conversionRatePercentage: rate } = counted;
  assert.deepEqual([totalAttempts, totalConverted, totalUnconverted, Number(rate)], [2, 1, 1, 50]);
  const later = await summary().fetch({ dateCreatedAfter: new Date(Date.now() + 60_000) });
  assert.deepEqual([later.totalAttempts, Number(later.conversionRatePercentage)], [0, 0]);
}

/** Called off, and approved by the caller. */
async function updates(service, number) {
  const started = await service.verifications.create({ to: number, channel: "sms" });
  assert.equal((await service.verifications(started.sid).update({ status: "canceled" })).status, "canceled");
  await refused(service.verifications(started.sid).update({ status: "approved" }), 404, 20404);
  const next = await service.verifications.create({ to: number, channel: "sms" });
  assert.notEqual(next.sid, started.sid);
  assert.equal((await service.verifications(number).update({ status: "approved" })).valid, true);
}

/** What callers do wrong. */
async function errors(service, number) {
  const error = await refused(service.verifications.create({ to: "12345", channel: "sms" }), 400, 60200);
  assert.match(error.message, /To/);
  await refused(service.verifications.create({ to: number, channel: "pigeon" }), 400, 60200);
  await refused(service.verifications("VE" + "f".repeat(32)).fetch(), 404, 20404);
  const stranger = connected("wrong").verify.v2.services(SERVICE);
  await refused(stranger.verifications.create({ to: number, channel: "sms" }), 401, 20003);
  await service.verifications.create({ to: number, channel: "sms" });
  const code = await codeOf(number);
  for (let n = 0; n < 5; n++) await service.verificationChecks.create({ to: number, code: other(code) });
  await refused(service.verificationChecks.create({ to: number, code }), 429, 60202);
}

/** Services: made, shown, listed, changed, deleted. */
async function services(client) {
  const list = client.verify.v2.services;
  const made = await list.create({ friendlyName: "Corner Shop", codeLength: 8 });
  assert.deepEqual([made.friendlyName, made.codeLength, made.customCodeEnabled], ["Corner Shop", 8, false]);
  assert.equal((await list(made.sid).fetch()).friendlyName, "Corner Shop");
  assert.ok((await list.list({ pageSize: 1 })).some((service) => service.sid === made.sid));
  const changed = await list(made.sid).update({ friendlyName: "Other Shop" });
  assert.deepEqual([changed.friendlyName, changed.codeLength], ["Other Shop", 8]);
  assert.equal(await list(made.sid).remove(), true);
  await refused(list(made.sid).fetch(), 404, 20404);
}

const client = connected();
const service = client.verify.v2.services(SERVICE);
const approved = await approval(service, numbers[0]);
await attempts(client, approved);
await updates(service, numbers[1]);
await errors(service, numbers[2]);
await services(client);
console.log(`twilio-node ${version}: ok`);
