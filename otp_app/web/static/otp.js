// Forms for a number and its code: docs/otp-js.md
const WORDS = {
	sent: "We sent a code to {to} by {channel}.",
	followed: "{before} did not deliver the code, so we sent it by {channel}.",
	resend: "Send again",
	wait: "Send again in {time}",
	later: " Try again in {time}.",
	wrong: "This code is wrong or no longer valid.",
	ended: "This code is no longer valid. Send a new one.",
	approved: "Your number is confirmed.",
	offline: "The server cannot be reached.",
	invalid_phone: "This is not a mobile number with + and its country code.",
	lost: "not delivered",
	error: "Error",
	whatsapp: "WhatsApp",
	sms: "SMS",
};
const KINDS = { delivered: "good", read: "good", refused: "bad", undelivered: "bad", failed: "bad" };
const PATHS = { send: "/send-otp", resend: "/resend-otp", check: "/verify-otp", status: "/verifications/{id}" };
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);
const span = (s) => ({ time: s < 100 ? `${s} s` : `${Math.ceil(s / 60)} min` });
const make = (name) => document.createElement(name);
const on = (element, event, act) => element.addEventListener(event, (it) => (it.preventDefault(), act()));

const codeIn = (text, length) => {
	const runs = [/\d+/g, /\d+(?:[ -]\d+)+/g].flatMap((form) => text.match(form) || []);
	const found = runs.map((run) => run.replace(/\D/g, "")).filter((run) => /^\d{4,10}$/.test(run));
	return found.find((run) => run.length === length) || found[0];
};

const start = (root) => {
	const part = (name) => root.querySelector(`[data-otp=${name}]`) || make("p");
	const [number, code, done, message, resend, list] = "number code done message resend list".split(" ").map(part);
	const to = { ...PATHS, ...root.dataset };
	const words = { ...WORDS, ...JSON.parse(to.words || "{}") };
	const headers = { "Content-Type": "application/json", ...JSON.parse(to.headers || "{}") };
	const input = code.elements.otp;
	let id, chosen, timer, busy, last, watched;

	const tell = (what, detail) => root.dispatchEvent(new CustomEvent(`otp:${what}`, { detail, bubbles: true }));
	const named = (send) => words[send.channel] || send.channel;
	const say = (text, kind = "", wrong) => {
		message.textContent = text;
		message.dataset.kind = kind;
		(code.hidden ? number.elements.phone_number : input).setAttribute("aria-invalid", !!wrong);
	};
	const step = (next) => [number, code, done].forEach((each) => (each.hidden = each !== next));
	const post = async (url, body) => {
		if (busy) return;
		busy = true;
		try {
			const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
			const said = await answer.json();
			if (answer.ok || said.success === false) return said;
			const wait = said.retry_after;
			if (wait) count(wait);
			say((words[said.error_type] || said.error) + (wait ? fill(words.later, span(wait)) : ""), "bad", answer.status === 400);
		} catch {
			say(words.offline, "bad");
		} finally {
			busy = false;
		}
	};

	const count = (left, end = Date.now() + 1000 * left) => {
		left = Math.ceil((end - Date.now()) / 1000);
		resend.disabled = left > 0;
		resend.textContent = left > 0 ? fill(words.wait, span(left)) : words.resend;
		clearTimeout(timer);
		if (left > 0) timer = setTimeout(count, 500, 0, end);
	};

	const show = (now) => {
		list.replaceChildren(...now.sends.map((send) => {
			const item = make("li"), why = make("small");
			const kind = (item.dataset.kind = KINDS[send.delivery] || now.status);
			item.textContent = `${named(send)}: ${kind === "bad" ? words.lost : send.delivery}`;
			why.textContent = send.explanation && `${words.error} ${send.error_code}: ${send.explanation}`;
			item.append(why);
			return item;
		}));
		const [before, next] = now.sends.slice(-2);
		if (next && next.id !== last && KINDS[before.delivery] === "bad")
			say(fill(words.followed, { before: named(before), channel: named(next) }));
		last = next?.id;
		if (now.resend_in) count(now.resend_in);
		tell("status", now);
		if (now.status === "pending") return;
		if (now.status === "approved") approve(now);
		else say(words.ended, "bad");
		return true;
	};

	// Until the code ends or another is sent.
	const watch = async (signal) => {
		for (let version = "", wait; to.status && !signal.aborted; await new Promise((go) => setTimeout(go, wait))) {
			wait = 5000;
			try {
				const answer = await fetch(to.status.replace("{id}", id) + version, { headers, signal });
				const now = await answer.json();
				if (answer.ok) {
					const news = `?wait=20&version=${now.version}`;
					wait = news === version ? 2000 : 0;
					version = news;
					if (show(now)) return;
				} else if (answer.status < 500 && answer.status !== 429) return;
			} catch {}
		}
	};

	const approve = (said) => {
		if (code.hidden) return;
		say(words.approved, "good");
		step(done);
		tell("approved", said);
	};
	const enter = (text) => {
		input.value = text;
		code.requestSubmit();
	};
	const sent = (said) => {
		if (!said) return;
		id = said.verification_id;
		watched?.abort();
		const { signal } = (watched = new AbortController());
		step(code);
		say(fill(words[`by_${said.channel}`] || words.sent, { to: said.to, channel: named(said) }));
		count(said.resend_in);
		input.focus();
		tell("sent", said);
		watch(signal);
		if (self.OTPCredential)
			navigator.credentials.get({ otp: { transport: ["sms"] }, signal }).then((got) => enter(got.code), () => {});
	};

	on(number, "submit", async () => {
		chosen = Object.fromEntries([...new FormData(number)].filter(([, value]) => value));
		sent(await post(to.send, chosen));
	});
	on(resend, "click", async () => sent(await post(to.resend, { ...chosen, verification_id: id })));
	on(code, "submit", async () => {
		const said = await post(to.check, { verification_id: id, otp: input.value.trim() });
		if (said?.success) return approve(said);
		if (said) say(words.wrong, "bad", true);
		input.select();
	});
	input.addEventListener("paste", (event) => {
		const found = codeIn(event.clipboardData.getData("text"), +input.dataset.length || 6);
		if (found) event.preventDefault(), enter(found);
	});
};
document.querySelectorAll("[data-otp=root]").forEach(start);
