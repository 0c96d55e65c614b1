"""Notes in a header how many recipients a message had. Change it to what you want: every hook and every function is described in
the folder wit. A hook is a class of its name; the hooks there are stand in wit/plugin.wit too."""

from wit_world import exports
from wit_world.imports import config, message
from wit_world.imports.types import Decision_Next


class OnData(exports.OnData):
    def on_data(self, session, envelope):
        # [plugins.my-plugin] of the relay's configuration.
        header = config.get("header") or "X-Recipients"
        message.prepend_header(header, str(len(envelope.recipients)))
        return Decision_Next()
