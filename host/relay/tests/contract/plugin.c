// Every hook, in C.
#include "plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static plugin_string_t text(const char *from) {
  plugin_string_t made;
  plugin_string_dup(&made, from);
  return made;
}

static plugin_string_t borrowed(const char *from) {
  plugin_string_t made;
  plugin_string_set(&made, (char *)from);
  return made;
}

static bool is(plugin_string_t *left, const char *right) {
  return left->len == strlen(right) && memcmp(left->ptr, right, left->len) == 0;
}

#define SHOWN(string) (int)(string).len, (const char *)(string).ptr

static baton_relay_types_reply_t reply(uint16_t code, const char *status, const char *said) {
  return (baton_relay_types_reply_t){.code = code, .status = text(status), .text = text(said)};
}

static void emit(const char *kind, plugin_tuple2_string_string_t *fields, size_t count) {
  plugin_string_t called = borrowed(kind);
  plugin_list_tuple2_string_string_t list = {.ptr = fields, .len = count};
  baton_relay_events_emit(&called, &list);
}

static void tag(const char *key, const char *value) {
  plugin_string_t k = borrowed(key), v = borrowed(value);
  baton_relay_context_set_tag(&k, &v);
}

bool exports_baton_relay_on_load_on_load(plugin_option_list_string_t *ret, plugin_string_t *err) {
  plugin_string_t key = borrowed("wants"), wanted;
  ret->is_some = false;
  if (!baton_relay_config_get(&key, &wanted)) return true;
  if (is(&wanted, "nonsense")) {
    *err = text("wants: no such thing");
    return false;
  }
  ret->is_some = true;
  ret->val.ptr = malloc(sizeof(plugin_string_t) * (wanted.len + 1));
  ret->val.len = 0;
  for (size_t start = 0, at = 0; at <= wanted.len; at++) {
    if (at < wanted.len && wanted.ptr[at] != ' ') continue;
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(at - start), (const char *)wanted.ptr + start);
    ret->val.ptr[ret->val.len++] = text(word);
    start = at + 1;
  }
  plugin_string_free(&wanted);
  return true;
}

bool exports_baton_relay_on_connect_on_connect(exports_baton_relay_on_connect_session_t *session,
                                               exports_baton_relay_on_connect_decision_t *ret, plugin_string_t *err) {
  ret->tag = BATON_RELAY_TYPES_DECISION_NEXT;
  if (is(&session->peer_ip, "192.0.2.66")) {
    char said[64];
    plugin_string_t helo = session->helo.is_some ? session->helo.val : borrowed("nobody");
    snprintf(said, sizeof said, "Bye %.*s", SHOWN(helo));
    ret->tag = BATON_RELAY_TYPES_DECISION_DISCONNECT;
    ret->val.disconnect = reply(421, "4.7.0", said);
  }
  exports_baton_relay_on_connect_session_free(session);
  return true;
}

bool exports_baton_relay_on_auth_on_auth(exports_baton_relay_on_auth_session_t *session, plugin_string_t *mechanism,
                                         plugin_string_t *identity, plugin_string_t *secret,
                                         exports_baton_relay_on_auth_auth_decision_t *ret, plugin_string_t *err) {
  ret->tag = EXPORTS_BATON_RELAY_ON_AUTH_AUTH_DECISION_NEXT;
  if (is(identity, "joe") && is(secret, "right")) {
    char account[64];
    snprintf(account, sizeof account, "joe-%.*s", SHOWN(*mechanism));
    ret->tag = EXPORTS_BATON_RELAY_ON_AUTH_AUTH_DECISION_ALLOW;
    ret->val.allow = text(account);
  } else if (is(identity, "joe")) {
    ret->tag = EXPORTS_BATON_RELAY_ON_AUTH_AUTH_DECISION_DENY;
  }
  exports_baton_relay_on_auth_session_free(session);
  plugin_string_free(mechanism);
  plugin_string_free(identity);
  plugin_string_free(secret);
  return true;
}

bool exports_baton_relay_on_mail_on_mail(exports_baton_relay_on_mail_session_t *session,
                                         exports_baton_relay_on_mail_envelope_t *envelope,
                                         exports_baton_relay_on_mail_decision_t *ret, plugin_string_t *err) {
  ret->tag = BATON_RELAY_TYPES_DECISION_NEXT;
  if (!envelope->sender.is_some) {
    ret->tag = BATON_RELAY_TYPES_DECISION_ACCEPT;
  } else if (is(&envelope->sender.val.domain, "bad.test")) {
    char said[200] = "No";
    for (size_t at = 0; at < envelope->parameters.len; at++) {
      baton_relay_types_parameter_t *one = &envelope->parameters.ptr[at];
      size_t used = strlen(said);
      snprintf(said + used, sizeof said - used, " %.*s=%.*s", SHOWN(one->keyword), SHOWN(one->value.val));
    }
    ret->tag = BATON_RELAY_TYPES_DECISION_REJECT;
    ret->val.reject = reply(550, "5.7.1", said);
  }
  exports_baton_relay_on_mail_session_free(session);
  exports_baton_relay_on_mail_envelope_free(envelope);
  return true;
}

bool exports_baton_relay_on_rcpt_on_rcpt(exports_baton_relay_on_rcpt_session_t *session,
                                         exports_baton_relay_on_rcpt_envelope_t *envelope,
                                         exports_baton_relay_on_rcpt_recipient_t *recipient,
                                         exports_baton_relay_on_rcpt_recipient_decision_t *ret, plugin_string_t *err) {
  ret->tag = EXPORTS_BATON_RELAY_ON_RCPT_RECIPIENT_DECISION_DECIDE;
  ret->val.decide.tag = BATON_RELAY_TYPES_DECISION_NEXT;
  if (is(&recipient->address.local, "list")) {
    const char *names[] = {"one", "two"};
    baton_relay_types_mailbox_t *to = malloc(2 * sizeof *to);
    for (int at = 0; at < 2; at++) {
      char domain[256];
      snprintf(domain, sizeof domain, "%.*s", SHOWN(recipient->address.domain));
      to[at].local = text(names[at]);
      to[at].domain = text(domain);
    }
    ret->tag = EXPORTS_BATON_RELAY_ON_RCPT_RECIPIENT_DECISION_REWRITE;
    ret->val.rewrite.ptr = to;
    ret->val.rewrite.len = 2;
  } else if (is(&recipient->address.local, "nobody")) {
    ret->val.decide.tag = BATON_RELAY_TYPES_DECISION_REJECT;
    ret->val.decide.val.reject = reply(550, "5.1.1", "Nobody");
  }
  exports_baton_relay_on_rcpt_session_free(session);
  exports_baton_relay_on_rcpt_envelope_free(envelope);
  exports_baton_relay_on_rcpt_recipient_free(recipient);
  return true;
}

// What on-data does with an ordinary message; false where it cannot.
static bool read_and_edit(plugin_string_t *subject) {
  baton_relay_message_list_part_t parts;
  baton_relay_message_parts(&parts);
  plugin_string_t key = borrowed("greeting"), greeting;
  bool greets = baton_relay_config_get(&key, &greeting);
  char shown[300];
  snprintf(shown, sizeof shown, "%.*s|%zu|%.*s", SHOWN(*subject), parts.len, greets ? (int)greeting.len : 0,
           greets ? (const char *)greeting.ptr : "");
  plugin_string_t name = borrowed("X-Guest"), value = borrowed(shown);
  baton_relay_message_error_t wrong;
  if (!baton_relay_message_append_header(&name, &value, &wrong)) return false;
  if (is(subject, "fail")) return false;

  plugin_string_t body;
  if (!baton_relay_message_text(0, &body, &wrong)) return false;
  char signed_[1000];
  snprintf(signed_, sizeof signed_, "%.*s-- signed\r\n", SHOWN(body));
  plugin_string_t with = borrowed(signed_);
  if (!baton_relay_message_set_text(0, &with, &wrong)) return false;

  double count = 0;
  baton_relay_kv_error_t refused;
  plugin_string_t counter = borrowed("n");
  if (!baton_relay_kv_increment(&counter, 1, NULL, &count, &refused)) return false;
  char number[32];
  snprintf(number, sizeof number, "%d", (int)count);
  tag("seen", number);
  plugin_string_t symbol = borrowed("GUEST"), why = borrowed("why"), line = borrowed("hello");
  baton_relay_context_add_score(&symbol, 1.5, &why);
  baton_relay_log_log(BATON_RELAY_LOG_LEVEL_INFO, &line);
  plugin_tuple2_string_string_t field = {.f0 = borrowed("subject"), .f1 = *subject};
  emit("seen", &field, 1);
  return true;
}

bool exports_baton_relay_on_data_on_data(exports_baton_relay_on_data_session_t *session,
                                         exports_baton_relay_on_data_envelope_t *envelope,
                                         exports_baton_relay_on_data_decision_t *ret, plugin_string_t *err) {
  exports_baton_relay_on_data_session_free(session);
  exports_baton_relay_on_data_envelope_free(envelope);
  ret->tag = BATON_RELAY_TYPES_DECISION_NEXT;
  plugin_string_t name = borrowed("Subject"), subject;
  if (!baton_relay_message_header(&name, &subject)) subject = text("");
  if (is(&subject, "hold")) {
    ret->tag = BATON_RELAY_TYPES_DECISION_HOLD;
    ret->val.hold = text("look");
    return true;
  }
  if (is(&subject, "dns")) {
    plugin_string_t asked = borrowed("a.test");
    plugin_list_string_t found;
    baton_relay_dns_error_t refused;
    if (!baton_relay_dns_texts(&asked, &found, &refused) && refused == BATON_RELAY_DNS_ERROR_NOT_GRANTED)
      tag("dns", "not-granted");
    return true;
  }
  if (!read_and_edit(&subject)) {
    *err = text("as told");
    return false;
  }
  return true;
}

bool exports_baton_relay_on_copy_on_copy(exports_baton_relay_on_copy_envelope_t *envelope,
                                         exports_baton_relay_on_copy_recipient_t *recipient,
                                         exports_baton_relay_on_copy_decision_t *ret, plugin_string_t *err) {
  char to[400];
  snprintf(to, sizeof to, "%.*s@%.*s", SHOWN(recipient->address.local), SHOWN(recipient->address.domain));
  plugin_string_t name = borrowed("X-To"), value = borrowed(to);
  baton_relay_message_error_t wrong;
  bool done = baton_relay_message_prepend_header(&name, &value, &wrong);
  exports_baton_relay_on_copy_envelope_free(envelope);
  exports_baton_relay_on_copy_recipient_free(recipient);
  ret->tag = BATON_RELAY_TYPES_DECISION_NEXT;
  if (!done) *err = text("no header");
  return done;
}

bool exports_baton_relay_on_route_on_route(exports_baton_relay_on_route_attempt_t *attempt,
                                           exports_baton_relay_on_route_option_route_t *ret, plugin_string_t *err) {
  memset(ret, 0, sizeof *ret);
  if (is(&attempt->recipient.domain, "routed.test")) {
    ret->is_some = true;
    ret->val.next_hop.is_some = true;
    ret->val.next_hop.val = text("mx:routed.test");
    ret->val.port.is_some = true;
    ret->val.port.val = 2525;
    ret->val.priority.is_some = true;
    ret->val.priority.val = 7;
    ret->val.tls.is_some = true;
    ret->val.tls.val = BATON_RELAY_DELIVERIES_TLS_DEMAND_VERIFY;
  }
  exports_baton_relay_on_route_attempt_free(attempt);
  return true;
}

bool exports_baton_relay_on_reply_on_reply(exports_baton_relay_on_reply_attempt_t *attempt,
                                           exports_baton_relay_on_reply_stage_t stage,
                                           exports_baton_relay_on_reply_reply_t *reply,
                                           exports_baton_relay_on_reply_option_translation_t *ret, plugin_string_t *err) {
  memset(ret, 0, sizeof *ret);
  if (reply->code == 452) {
    ret->is_some = true;
    ret->val.disposition = BATON_RELAY_DELIVERIES_DISPOSITION_SOFT;
    ret->val.reason = text("mailbox-full");
    ret->val.scope = BATON_RELAY_DELIVERIES_SCOPE_RECIPIENT;
    ret->val.advice.tag = BATON_RELAY_DELIVERIES_ADVICE_RETRY;
    ret->val.advice.val.retry.is_some = true;
    ret->val.advice.val.retry.val = 90;
    ret->val.explanation = reply->text;
    ret->val.confidence = 0.5;
    ret->val.rule = reply->status;
  }
  exports_baton_relay_on_reply_attempt_free(attempt);
  return true;
}

bool exports_baton_relay_on_delivered_on_delivered(exports_baton_relay_on_delivered_attempt_t *attempt,
                                                   exports_baton_relay_on_delivered_reply_t *reply, plugin_string_t *err) {
  char number[16];
  snprintf(number, sizeof number, "%u", (unsigned)attempt->number);
  tag("delivered", number);
  exports_baton_relay_on_delivered_attempt_free(attempt);
  exports_baton_relay_on_delivered_reply_free(reply);
  return true;
}

bool exports_baton_relay_on_report_on_report(exports_baton_relay_on_report_list_report_t *ret, plugin_string_t *err) {
  plugin_string_t name = borrowed("X-Final"), recipient;
  ret->ptr = NULL;
  ret->len = 0;
  if (baton_relay_message_header(&name, &recipient)) {
    exports_baton_relay_on_report_report_t *one = calloc(1, sizeof *one);
    one->kind = BATON_RELAY_DELIVERIES_REPORT_KIND_BOUNCE;
    one->recipient.is_some = true;
    one->recipient.val = recipient;
    one->reply.is_some = true;
    one->reply.val = reply(550, "5.1.1", "gone");
    ret->ptr = one;
    ret->len = 1;
  }
  return true;
}

bool exports_baton_relay_on_bounce_on_bounce(exports_baton_relay_on_bounce_attempt_t *attempt,
                                             exports_baton_relay_on_bounce_report_t *report,
                                             exports_baton_relay_on_bounce_bounce_decision_t *ret, plugin_string_t *err) {
  *ret = attempt->number > 1 ? BATON_RELAY_DELIVERIES_BOUNCE_DECISION_SILENT : BATON_RELAY_DELIVERIES_BOUNCE_DECISION_NOTIFY;
  exports_baton_relay_on_bounce_attempt_free(attempt);
  exports_baton_relay_on_bounce_report_free(report);
  return true;
}

bool exports_baton_relay_on_feedback_on_feedback(exports_baton_relay_on_feedback_report_t *report,
                                                 exports_baton_relay_on_feedback_attempt_t *attempt, plugin_string_t *err) {
  plugin_tuple2_string_string_t fields[] = {
      {.f0 = borrowed("type"), .f1 = report->feedback_type.is_some ? report->feedback_type.val : borrowed("")},
      {.f0 = borrowed("to"), .f1 = attempt ? attempt->recipient.local : borrowed("")},
  };
  emit("complaint", fields, 2);
  return true;
}

bool exports_baton_relay_on_request_on_request(exports_baton_relay_on_request_request_t *request,
                                               exports_baton_relay_on_request_response_t *ret, plugin_string_t *err) {
  char said[300];
  snprintf(said, sizeof said, "%.*s %.*s %zu", SHOWN(request->method), SHOWN(request->url), request->body.len);
  plugin_tuple2_string_string_t *header = malloc(sizeof *header);
  header->f0 = text("Content-Type");
  header->f1 = text("text/plain");
  plugin_string_t body = text(said);
  ret->status = 201;
  ret->headers.ptr = header;
  ret->headers.len = 1;
  ret->body.ptr = body.ptr;
  ret->body.len = body.len;
  exports_baton_relay_on_request_request_free(request);
  return true;
}
