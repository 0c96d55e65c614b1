"""Every hook, in Python."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.on_auth import AuthDecision_Allow, AuthDecision_Deny, AuthDecision_Next
from wit_world.exports.on_rcpt import RecipientDecision_Decide, RecipientDecision_Rewrite
from wit_world.imports import config, context, dns, events, kv, log, message
from wit_world.imports.deliveries import (
    Advice_Retry,
    BounceDecision,
    Disposition,
    Report,
    ReportKind,
    Route,
    Scope,
    TlsDemand,
    Translation,
)
from wit_world.imports.http_types import Response
from wit_world.imports.types import (
    Decision_Accept,
    Decision_Disconnect,
    Decision_Hold,
    Decision_Next,
    Decision_Reject,
    Mailbox,
    Reply,
)


class OnLoad(exports.OnLoad):
    def on_load(self):
        wanted = config.get("wants")
        if wanted == "nonsense":
            raise Err("wants: no such thing")
        return wanted.split(" ") if wanted else None


class OnConnect(exports.OnConnect):
    def on_connect(self, session):
        if session.peer_ip != "192.0.2.66":
            return Decision_Next()
        return Decision_Disconnect(Reply(421, "4.7.0", f"Bye {session.helo or 'nobody'}"))


class OnAuth(exports.OnAuth):
    def on_auth(self, session, mechanism, identity, secret):
        if identity != "joe":
            return AuthDecision_Next()
        return AuthDecision_Allow(f"joe-{mechanism}") if secret == "right" else AuthDecision_Deny()


class OnMail(exports.OnMail):
    def on_mail(self, session, envelope):
        if envelope.sender is None:
            return Decision_Accept()
        if envelope.sender.domain != "bad.test":
            return Decision_Next()
        said = " ".join(f"{p.keyword}={p.value}" for p in envelope.parameters)
        return Decision_Reject(Reply(550, "5.7.1", f"No {said}"))


class OnRcpt(exports.OnRcpt):
    def on_rcpt(self, session, envelope, recipient):
        domain = recipient.address.domain
        if recipient.address.local == "list":
            return RecipientDecision_Rewrite([Mailbox("one", domain), Mailbox("two", domain)])
        if recipient.address.local == "nobody":
            return RecipientDecision_Decide(Decision_Reject(Reply(550, "5.1.1", "Nobody")))
        return RecipientDecision_Decide(Decision_Next())


class OnData(exports.OnData):
    def on_data(self, session, envelope):
        subject = message.header("Subject") or ""
        if subject == "hold":
            return Decision_Hold("look")
        if subject == "dns":
            try:
                dns.texts("a.test")
            except Err as error:
                context.set_tag("dns", error.value.name.lower().replace("_", "-"))
            return Decision_Next()
        message.append_header("X-Guest", f"{subject}|{len(message.parts())}|{config.get('greeting') or ''}")
        if subject == "fail":
            raise Err("as told")
        message.set_text(0, message.text(0) + "-- signed\r\n")
        context.set_tag("seen", str(int(kv.increment("n", 1, None))))
        context.add_score("GUEST", 1.5, "why")
        log.log(log.Level.INFO, "hello")
        events.emit("seen", [("subject", subject)])
        return Decision_Next()


class OnCopy(exports.OnCopy):
    def on_copy(self, envelope, recipient):
        message.prepend_header("X-To", f"{recipient.address.local}@{recipient.address.domain}")
        return Decision_Next()


class OnRoute(exports.OnRoute):
    def on_route(self, attempt):
        domain = attempt.recipient.domain
        if domain != "routed.test":
            return None
        return Route(f"mx:{domain}", 2525, None, None, 7, TlsDemand.VERIFY)


class OnReply(exports.OnReply):
    def on_reply(self, attempt, stage, reply):
        if reply.code != 452:
            return None
        return Translation(
            Disposition.SOFT, "mailbox-full", Scope.RECIPIENT, Advice_Retry(90), reply.text, 0.5, reply.status
        )


class OnDelivered(exports.OnDelivered):
    def on_delivered(self, attempt, reply):
        context.set_tag("delivered", str(attempt.number))


class OnReport(exports.OnReport):
    def on_report(self):
        recipient = message.header("X-Final")
        if recipient is None:
            return []
        reply = Reply(550, "5.1.1", "gone")
        return [Report(ReportKind.BOUNCE, recipient, None, reply, None, None, None, None)]


class OnBounce(exports.OnBounce):
    def on_bounce(self, attempt, report):
        return BounceDecision.SILENT if attempt.number > 1 else BounceDecision.NOTIFY


class OnFeedback(exports.OnFeedback):
    def on_feedback(self, report, attempt):
        to = attempt.recipient.local if attempt else ""
        events.emit("complaint", [("type", report.feedback_type or ""), ("to", to)])


class OnRequest(exports.OnRequest):
    def on_request(self, request):
        body = f"{request.method} {request.url} {len(request.body)}".encode()
        return Response(201, [("Content-Type", "text/plain")], body)
