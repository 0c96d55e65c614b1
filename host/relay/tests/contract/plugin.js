// Every hook, in JavaScript.
import * as config from "baton:relay/config@0.1.0";
import * as context from "baton:relay/context@0.1.0";
import * as dns from "baton:relay/dns@0.1.0";
import * as events from "baton:relay/events@0.1.0";
import * as kv from "baton:relay/kv@0.1.0";
import { log } from "baton:relay/log@0.1.0";
import * as message from "baton:relay/message@0.1.0";

const next = { tag: "next" };
const reply = (code, status, text) => ({ code, status, text });
const bytes = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

export const onLoad = {
  onLoad() {
    const wanted = config.get("wants");
    if (wanted === "nonsense") throw "wants: no such thing";
    return wanted?.split(" ");
  },
};

export const onConnect = {
  onConnect(session) {
    if (session.peerIp !== "192.0.2.66") return next;
    return { tag: "disconnect", val: reply(421, "4.7.0", `Bye ${session.helo ?? "nobody"}`) };
  },
};

export const onAuth = {
  onAuth(session, mechanism, identity, secret) {
    if (identity !== "joe") return next;
    return secret === "right" ? { tag: "allow", val: `joe-${mechanism}` } : { tag: "deny" };
  },
};

export const onMail = {
  onMail(session, envelope) {
    if (!envelope.sender) return { tag: "accept" };
    if (envelope.sender.domain !== "bad.test") return next;
    const said = envelope.parameters.map((p) => `${p.keyword}=${p.value}`).join(" ");
    return { tag: "reject", val: reply(550, "5.7.1", `No ${said}`) };
  },
};

export const onRcpt = {
  onRcpt(session, envelope, recipient) {
    const { local, domain } = recipient.address;
    if (local === "list") return { tag: "rewrite", val: ["one", "two"].map((local) => ({ local, domain })) };
    const decision = local === "nobody" ? { tag: "reject", val: reply(550, "5.1.1", "Nobody") } : next;
    return { tag: "decide", val: decision };
  },
};

export const onData = {
  onData(session, envelope) {
    const subject = message.header("Subject") ?? "";
    if (subject === "hold") return { tag: "hold", val: "look" };
    if (subject === "dns") {
      try {
        dns.texts("a.test");
      } catch (error) {
        context.setTag("dns", String(error.payload ?? error));
      }
      return next;
    }
    message.appendHeader("X-Guest", `${subject}|${message.parts().length}|${config.get("greeting") ?? ""}`);
    if (subject === "fail") throw "as told";
    message.setText(0, `${message.text(0)}-- signed\r\n`);
    context.setTag("seen", String(kv.increment("n", 1, undefined)));
    context.addScore("GUEST", 1.5, "why");
    log("info", "hello");
    events.emit("seen", [["subject", subject]]);
    return next;
  },
};

export const onCopy = {
  onCopy(envelope, recipient) {
    message.prependHeader("X-To", `${recipient.address.local}@${recipient.address.domain}`);
    return next;
  },
};

export const onRoute = {
  onRoute(attempt) {
    const domain = attempt.recipient.domain;
    if (domain !== "routed.test") return undefined;
    return { nextHop: `mx:${domain}`, port: 2525, egressPool: undefined, queue: undefined, priority: 7, tls: "verify" };
  },
};

export const onReply = {
  onReply(attempt, stage, reply) {
    if (reply.code !== 452) return undefined;
    return {
      disposition: "soft",
      reason: "mailbox-full",
      scope: "recipient",
      advice: { tag: "retry", val: 90 },
      explanation: reply.text,
      confidence: 0.5,
      rule: reply.status,
    };
  },
};

export const onDelivered = {
  onDelivered(attempt, reply) {
    context.setTag("delivered", String(attempt.number));
  },
};

export const onReport = {
  onReport() {
    const recipient = message.header("X-Final");
    if (!recipient) return [];
    return [{ kind: "bounce", recipient, reply: reply(550, "5.1.1", "gone") }];
  },
};

export const onBounce = {
  onBounce(attempt, report) {
    return attempt.number > 1 ? "silent" : "notify";
  },
};

export const onFeedback = {
  onFeedback(report, attempt) {
    events.emit("complaint", [["type", report.feedbackType ?? ""], ["to", attempt ? attempt.recipient.local : ""]]);
  },
};

export const onRequest = {
  onRequest(request) {
    return {
      status: 201,
      headers: [["Content-Type", "text/plain"]],
      body: bytes(`${request.method} ${request.url} ${request.body.length}`),
    };
  },
};
