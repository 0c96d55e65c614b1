// Notes in a header how many recipients a message had. Change it to what you want: every hook and every function is described
// in the folder wit. A hook is an object of its name that is exported; the hooks you export are listed in wit/plugin.wit too.
import * as config from "baton:relay/config@0.1.0";
import * as message from "baton:relay/message@0.1.0";
import type { Decision, Envelope, Session } from "baton:relay/types@0.1.0";

export const onData = {
  onData(session: Session, envelope: Envelope): Decision {
    // [plugins.my-plugin] of the relay's configuration.
    const header = config.get("header") ?? "X-Recipients";
    message.prependHeader(header, String(envelope.recipients.length));
    return { tag: "next" };
  },
};
