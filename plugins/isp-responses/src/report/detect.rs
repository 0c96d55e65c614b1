//! Is this message a report at all, and of which kind? The costly mistake is to take a letter for a bounce, so a message
//! without the structure of a report needs a mail system for its sender and a mail system's words.

use super::{Finding, Kind, address, prose};
use crate::mime::Entity;
use crate::reason::{Advice, Disposition, Reason, Scope};
use crate::translate::Translation;

/// RFC 8098: read receipts report what people did.
pub fn is_disposition_notification(message: &Entity) -> bool {
    message
        .parameter("report-type")
        .is_some_and(|t| t.eq_ignore_ascii_case("disposition-notification"))
        || message
            .parts()
            .iter()
            .any(|p| p.media_type == "message/disposition-notification")
}

/// Whether a delivery-status part of this message is its own and not one that somebody forwards.
pub fn may_carry_status(message: &Entity) -> bool {
    let report = message.media_type == "multipart/report"
        && message
            .parameter("report-type")
            .is_none_or(|t| t.eq_ignore_ascii_case("delivery-status"));
    if report {
        return true;
    }
    !is_conversation(message)
        && (from_system(message) || null_sender(message) || subject_of_bounce(message))
}

/// What a message without structure reports.
pub fn kind_of_prose(message: &Entity) -> Option<Kind> {
    let text = prose::human_text(message);
    let system = from_system(message);
    let subject = subject_of_bounce(message);
    let failed = message.header("x-failed-recipients").is_some();
    let conversation = is_conversation(message);
    let calendar = message
        .parts()
        .iter()
        .any(|p| p.media_type == "text/calendar");
    let from_list = is_list(message);
    if calendar || about_members(message) {
        return None;
    }
    let words = words_of_bounce(&text);
    let signature = program_signature(&text);
    let auto = is_auto_reply(message);
    let clear = clear_subject(message);
    let quoted = prose::has_reply_line(&text);
    let letter = from_list || conversation;
    // Who sends without being a mail system by name must bring what only programs write.
    let by_system = system
        && !letter
        && (subject
            || signature
            || words && (quoted || daemon(message) && prose::names_somebody(&text, message)));
    let by_nobody = null_sender(message)
        && !letter
        && !auto
        && prose::names_somebody(&text, message)
        && (clear && (signature || words) || subject && has_status_line(&text));
    let by_stranger = clear && !letter && !auto && signature && has_status_line(&text);
    let by_service =
        weak_system(message) && clear && !letter && !auto && words && has_status_line(&text);
    let bounce = failed || by_system || by_nobody || by_stranger || by_service;
    if bounce && !(auto && !failed && !signature && !subject) {
        return Some(if is_delay(message, &text) {
            Kind::Delay
        } else {
            Kind::Bounce
        });
    }
    auto.then_some(Kind::AutoReply)
}

/// The finding of an automatic answer.
pub fn auto_reply(message: &Entity) -> Finding {
    let mut finding = Finding::new(Kind::AutoReply);
    finding.recipient = message.header("from").and_then(address);
    finding.original_message_id = message.header("in-reply-to").map(str::to_string);
    finding.translation = Some(Translation {
        disposition: Disposition::Undetermined,
        reason: Reason::Vacation,
        scope: Scope::Recipient,
        advice: Advice::None,
        explanation: Reason::Vacation.meaning().explanation.to_string(),
        confidence: 0.9,
        rule: "report.auto-reply".to_string(),
        provider: None,
    });
    finding
}

fn lower_header(message: &Entity, name: &str) -> String {
    message.header(name).unwrap_or("").to_lowercase()
}

fn any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|w| text.contains(w))
}

fn from_system(message: &Entity) -> bool {
    let senders = format!(
        "{} {}",
        lower_header(message, "from"),
        lower_header(message, "sender")
    );
    any(
        &senders,
        &[
            "mailer-daemon",
            "mailer_daemon",
            "mailerdaemon",
            "mail-daemon",
            "mail_daemon",
            "maildaemon",
            "mailer daemon",
            "postmaster",
            "post_master",
            "mail delivery",
            "mail system",
            "mailsystem",
            "mail subsystem",
            "delivery subsystem",
            "system administrator",
            "systemadministrator",
            "mail administrator",
            "mailadmin",
            "mail-admin",
            "internet mail",
            "daemon@",
            "mdaemon",
            "mailscanner",
            "amavis",
            "mail.daemon",
            "mmdf",
            "mta@",
            "smtp gateway",
            "mail gateway",
            "mailgateway",
            "delivery system",
            "delivery service",
            "mail router",
            "mail transport",
            "email system",
            "e-mail system",
            "message system",
            "microsoft exchange",
            "microsoft outlook",
            "undeliverable",
            "non-delivery",
            "administrateur systeme",
            "administrateur système",
            "systemverwalter",
            "systemadministrator",
            "mail server",
            "mailserver",
            "content filter",
            "content-filter",
            "majordomo",
            "mailman",
            "listserv",
            "antispam",
            "anti-spam",
            "mail_delivery",
            "maildelivery",
            "администратор почт",
            "почтов",
            "x400",
            "gateway@",
            "smtpd",
            "returned mail",
            "mail-deamon",
            "mailer-deamon",
            "mail-failure",
        ],
    )
}

/// A sender that does nothing but deliver.
fn daemon(message: &Entity) -> bool {
    any(
        &lower_header(message, "from"),
        &["daemon", "mail delivery", "mds@", "undeliver"],
    ) || null_sender(message)
}

/// A list manager tells its owner about members whose mail bounced: that is not our mail.
fn about_members(message: &Entity) -> bool {
    let subject = lower_header(message, "subject");
    any(
        &subject,
        &[
            "bounce action notification",
            "uncaught bounce notification",
            "moderator request",
            "subscription disabled",
        ],
    )
}

/// Senders that may be a mail system; the subject has to say so too.
fn weak_system(message: &Entity) -> bool {
    let from = lower_header(message, "from");
    any(
        &from,
        &[
            "system@",
            "root@",
            "mx-",
            "mta-",
            "messaging",
            "admin@",
            "administrator",
            "errors@",
            "virus",
            "bounce",
            "noreply",
            "no-reply",
            "do-not-reply",
            "donotreply",
            "mail@",
            "smtp",
            "server",
            "security",
            "filter",
            "notification",
        ],
    )
}

fn null_sender(message: &Entity) -> bool {
    message.header("return-path").is_some_and(|v| {
        matches!(v.trim(), "<>" | "" | "<MAILER-DAEMON>")
            || v.to_ascii_lowercase().contains("mailer-daemon")
    })
}

/// A letter in a conversation: its subject says so, or it answers one and comes from a person.
fn is_conversation(message: &Entity) -> bool {
    let subject = lower_header(message, "subject");
    let prefixed = [
        "re:", "fwd:", "fw:", "aw:", "wg:", "tr:", "rv:", "sv:", "antw:", "回复", "答复", "转发",
        "轉寄", "返信",
    ]
    .iter()
    .any(|p| subject.trim_start().starts_with(p));
    prefixed && !(from_system(message) && null_sender(message))
}

fn is_list(message: &Entity) -> bool {
    let unsubscribable =
        message.header("list-unsubscribe").is_some() || message.header("list-id").is_some();
    unsubscribable && !null_sender(message)
}

fn subject_of_bounce(message: &Entity) -> bool {
    let subject = lower_header(message, "subject");
    any(
        &subject,
        &[
            "in mail from you",
            "apparently from you",
            "undeliver",
            "undelivered",
            "non-deliver",
            "nondeliver",
            "not delivered",
            "not be delivered",
            "non delivery",
            "delivery fail",
            "delivery error",
            "delivery problem",
            "delivery notification",
            "delivery status",
            "delivery report",
            "delivery has failed",
            "failure delivery",
            "delivery has been delayed",
            "failure notice",
            "failed delivery",
            "returned mail",
            "returned to sender",
            "return to sender",
            "mail failed",
            "mail failure",
            "mail delivery",
            "message delivery",
            "could not send",
            "couldn't be delivered",
            "could not be delivered",
            "unable to deliver",
            "unable to be delivered",
            "cannot deliver",
            "failed mail",
            "failure to deliver",
            "mail error",
            "mail system error",
            "mail system",
            "message status",
            "message not",
            "undeliverable",
            "bounced",
            "bounce",
            "user unknown",
            "unknown user",
            "error sending",
            "error in mail",
            "delivery not",
            "ndn:",
            "ndr",
            "delivery confirmation failed",
            "warning: message",
            "warning: could not",
            "delayed",
            "rejected",
            "failed:",
            "failure:",
            "unzustellbar",
            "nicht zugestellt",
            "zustellung",
            "zustellfehler",
            "unzustell",
            "nicht zustellbar",
            "fehlgeschlagen",
            "non remis",
            "non distribu",
            "échec",
            "echec",
            "non délivr",
            "impossible de remettre",
            "pas pu être",
            "notification d'état de remise",
            "no entregado",
            "no se puede entregar",
            "no se pudo entregar",
            "devuelto",
            "correo devuelto",
            "error de entrega",
            "notificación de estado",
            "falha na entrega",
            "não entregue",
            "não foi entregue",
            "devolvid",
            "mensagem não",
            "mancata consegna",
            "mancato recapito",
            "non recapitabile",
            "non consegnat",
            "recapito non riuscito",
            "onbestelbaar",
            "niet bezorgd",
            "niet afgeleverd",
            "bezorging mislukt",
            "niedostarczon",
            "nie dostarczono",
            "niedoręczon",
            "zwrot",
            "недоставлен",
            "не доставлен",
            "не может быть доставлен",
            "недоставка",
            "возврат",
            "送信できません",
            "配信不能",
            "配信できません",
            "配送不能",
            "不達",
            "送信エラー",
            "未配信",
            "配信エラー",
            "退信",
            "无法投递",
            "未送达",
            "无法送达",
            "投递失败",
            "發送失敗",
            "退件",
            "寄送失敗",
            "배달",
            "반송",
            "전송 실패",
            "doručen",
            "nedoručiteln",
            "kézbesíthetetlen",
            "teslim edilemedi",
            "kunde inte levereras",
            "kunne ikke leveres",
            "ikke leveret",
            "ei voitu toimittaa",
        ],
    )
}

fn words_of_bounce(text: &str) -> bool {
    let text = text.to_lowercase();
    any(
        &text,
        &[
            "undeliver",
            "does not exist",
            "doesn't exist",
            "no such",
            "delivery of the email was stopped",
            "not be delivered",
            "not delivered",
            "wasn't able to deliver",
            "was not able to deliver",
            "unable to deliver",
            "delivery failed",
            "delivery has failed",
            "delivery failure",
            "failed to deliver",
            "failed to be delivered",
            "could not deliver",
            "couldn't deliver",
            "cannot deliver",
            "could not be sent",
            "couldn't be delivered",
            "cannot be delivered",
            "can't be delivered",
            "can not be delivered",
            "permanent error",
            "permanent fatal",
            "permanent failure",
            "fatal error",
            "did not reach",
            "didn't reach",
            "failed recipient",
            "returned to sender",
            "non-delivery",
            "not been delivered",
            "has been rejected",
            "was rejected",
            "were rejected",
            "user unknown",
            "unknown user",
            "no such user",
            "mailbox is full",
            "over quota",
            "mailbox full",
            "bounced",
            "returned mail",
            "transcript of session",
            "message rejected",
            "was not delivered",
            "is undeliverable",
            "rejecting",
            "address error",
            "could not send",
            "no mailbox",
            "unable to send",
            "giving up",
            "undeliverable",
            "nicht zugestellt",
            "nicht ausgeliefert",
            "unzustellbar",
            "konnte nicht",
            "n'a pas pu",
            "n'ont pas pu",
            "pas été remis",
            "impossible de",
            "non remis",
            "no se pudo",
            "no ha podido",
            "no pudo ser",
            "no se ha podido",
            "não pôde",
            "não foi possível",
            "não pode ser",
            "non è stato possibile",
            "impossibile",
            "non consegnat",
            "niet worden",
            "niet bezorgd",
            "kon niet",
            "nie można",
            "nie mogła",
            "не может быть",
            "не удалось",
            "не была доставлена",
            "не доставлено",
            "невозможно доставить",
            "送信できません",
            "配信できません",
            "配送できません",
            "届きません",
            "送れません",
            "お届けできません",
            "存在しません",
            "送信できなかった",
            "配信に失敗",
            "配送に失敗",
            "無法",
            "无法",
            "退回",
            "失败",
            "失敗",
            "不存在",
            "전송",
            "반송",
        ],
    ) || prose::has_reply_line(&text)
}

/// A line that quotes a remote host, with an enhanced status or an address in the text.
fn has_status_line(text: &str) -> bool {
    prose::has_reply_line(text)
        && text.contains('@')
        && (crate::normal::normalise(text)
            .statuses
            .iter()
            .any(|s| s.class != 2)
            || text.contains('<'))
}

/// A subject that says that mail could not be delivered, and not a parcel or a payment.
fn clear_subject(message: &Entity) -> bool {
    let subject = lower_header(message, "subject");
    any(
        &subject,
        &[
            "undeliverable",
            "undelivered mail",
            "undelivered message",
            "delivery status notification",
            "delivery notification",
            "returned mail",
            "mail returned",
            "returned to sender",
            "failure notice",
            "mail delivery",
            "message delivery",
            "delivery failure",
            "delivery report",
            "mail failed",
            "failed mail",
            "mail failure",
            "mail could not",
            "message could not be delivered",
            "message not delivered",
            "non-delivery",
            "nondeliver",
            "non delivery",
            "non-deliverable",
            "mail system error",
            "delivery status",
            "could not send message",
            "undeliverable mail",
            "email delivery",
            "e-mail delivery",
            "message status",
            "error in mail",
            "unzustellbare",
            "nicht zugestellt:",
            "undelivered",
            "mail error",
            "delivery error",
            "mail not delivered",
            "message undeliverable",
            "non remis",
            "notification d'état",
            "no entregado",
            "correo devuelto",
            "notificación de estado",
            "falha na entrega",
            "mancata consegna",
            "non recapitabile",
            "onbestelbaar",
            "niedostarczon",
            "недоставлен",
            "не доставлен",
            "送信できません",
            "配信不能",
            "不達",
            "未配信",
            "退信",
            "无法投递",
            "系统退信",
        ],
    )
}

/// Sentences by which programs open their notices.
fn program_signature(text: &str) -> bool {
    any(
        &text.to_lowercase(),
        &[
            "this is the qmail-send program",
            "this is the postfix program",
            "this is the mail system at",
            "i'm afraid i wasn't able to deliver",
            "this message was created automatically by mail delivery software",
            "this message was created automatically by the",
            "----- the following addresses had",
            "----- transcript of session follows",
            "diagnostic information for administrators",
            "generating server:",
            "this is an automatically generated delivery status notification",
            "this is a permanent error. the following address",
            "this report relates to a message you sent",
            "your message did not reach some or all of the intended recipients",
            "unable to deliver message to the following",
            "the following recipient(s) could not be reached",
            "this is the mail delivery",
            "an error occurred while trying to deliver the mail",
            "this is an automatically generated",
            "failed to deliver to '",
            "this message was created automatically by",
            "your message cannot be delivered to the following recipients",
            "could not be delivered to the following",
            "the following message to <",
            "this is a courtesy copy",
            "hi. this is the",
            "message from yahoo",
            "permanent delivery failure",
            "this is the machine generated message",
            "technical details of permanent failure",
            "your mail message to the following address(es) could not be delivered",
            "reporting-mta:",
            "----- unsent message",
        ],
    )
}

fn is_auto_reply(message: &Entity) -> bool {
    let auto = lower_header(message, "auto-submitted");
    if auto.contains("auto-replied") || auto.contains("vacation") {
        return true;
    }
    let marked = [
        "x-autoreply",
        "x-autorespond",
        "x-autoresponder",
        "x-auto-response-type",
        "x-vacation",
        "x-autogenerated",
        "x-auto-reply",
    ];
    if marked.iter().any(|name| {
        message
            .header(name)
            .is_some_and(|v| !v.trim().eq_ignore_ascii_case("no"))
    }) {
        return true;
    }
    if any(
        &lower_header(message, "precedence"),
        &["auto_reply", "auto-reply", "autoreply"],
    ) {
        return true;
    }
    let subject = lower_header(message, "subject");
    any(
        &subject,
        &[
            "out of office",
            "out of the office",
            "out-of-office",
            "autoreply",
            "auto reply",
            "auto-reply",
            "auto:",
            "automatic reply",
            "automated reply",
            "auto response",
            "autoresponse",
            "auto-response",
            "automatic response",
            "vacation",
            "on holiday",
            "away from",
            "abwesenheit",
            "automatische antwort",
            "außer haus",
            "nicht im büro",
            "im urlaub",
            "réponse automatique",
            "absence",
            "absent",
            "respuesta automática",
            "respuesta automatica",
            "fuera de la oficina",
            "ausencia",
            "resposta automática",
            "ausência",
            "risposta automatica",
            "fuori ufficio",
            "automatisch antwoord",
            "afwezig",
            "automatyczna odpowiedź",
            "autoodpowiedź",
            "автоответ",
            "автоматический ответ",
            "自動応答",
            "自動返信",
            "不在",
            "休暇",
            "自动回复",
            "自動回覆",
            "자동",
            "frånvaro",
            "autosvar",
            "poissa",
        ],
    )
}

fn is_delay(message: &Entity, text: &str) -> bool {
    let subject = lower_header(message, "subject");
    let text = text.to_lowercase();
    let says = any(
        &text,
        &[
            "this is a warning message only",
            "you do not need to resend",
            "will continue to try",
            "will keep trying",
            "will be retried",
            "still trying",
            "will retry",
            "delivery attempts will continue",
            "delivery will continue",
            "no action is required on your part",
            "not yet been delivered",
            "has not been delivered yet",
            "delivery to the following recipients has been delayed",
            "delivery to the following recipient has been delayed",
            "has been delayed",
            "wird weiterhin versucht",
            "delivery has been delayed",
            "we will continue",
            "attempts will be made",
            "message will be retried",
            "not need to resend",
            "temporarily undeliverable",
            "sera retent",
            "weitere zustellversuche",
            "se seguirá intentando",
            "the message has not been delivered",
            "wird in den nächsten",
        ],
    );
    let subject_says = any(
        &subject,
        &[
            "delay",
            "warning",
            "verzöger",
            "retard",
            "retras",
            "still being retried",
            "temporar",
            "atras",
            "ritard",
        ],
    );
    let gave_up = any(
        &text,
        &[
            "permanent",
            "giving up",
            "given up",
            "gave up",
            "will not be retried",
            "no further attempt",
            "could not be delivered for",
            "has failed",
        ],
    ) && !any(
        &text,
        &[
            "not a permanent",
            "permanent error will",
            "before it is",
            "will be given up",
        ],
    );
    says && !gave_up
        || subject_says
            && (says || !gave_up)
            && any(
                &text,
                &[
                    "delay", "warning", "retr", "try", "not been", "versuch", "tent",
                ],
            )
}
