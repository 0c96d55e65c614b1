// Notes in a header how many recipients a message had. Change it to what you want: every hook and every function is described in
// the folder wit; plugin.h, which a build makes of it, has their names in C. The hooks you write stand in wit/plugin.wit too.
#include "plugin.h"

#include <stdio.h>
#include <string.h>

bool exports_baton_relay_on_data_on_data(exports_baton_relay_on_data_session_t *session,
                                         exports_baton_relay_on_data_envelope_t *envelope,
                                         exports_baton_relay_on_data_decision_t *ret, plugin_string_t *err) {
  // [plugins.my-plugin] of the relay's configuration.
  plugin_string_t key, name;
  plugin_string_set(&key, "header");
  if (!baton_relay_config_get(&key, &name)) {
    plugin_string_dup(&name, "X-Recipients");
  }

  char digits[16];
  snprintf(digits, sizeof digits, "%zu", envelope->recipients.len);
  plugin_string_t value;
  plugin_string_set(&value, digits);

  baton_relay_message_error_t error;
  bool done = baton_relay_message_prepend_header(&name, &value, &error);
  plugin_string_free(&name);
  exports_baton_relay_on_data_session_free(session);
  exports_baton_relay_on_data_envelope_free(envelope);
  if (!done) {
    // An error is a fault: the operator's policy decides about the mail.
    baton_relay_message_error_free(&error);
    plugin_string_dup(err, "the header cannot be added");
    return false;
  }
  ret->tag = BATON_RELAY_TYPES_DECISION_NEXT;
  return true;
}
