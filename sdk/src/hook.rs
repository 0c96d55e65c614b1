//! The hooks by name, for what a plugin says of itself.

/// A place in the journey of a message where plugins are asked; see [`Plugin::on_load`](crate::Plugin::on_load).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is the method of the same name
pub enum Hook {
    OnConnect,
    OnAuth,
    OnMail,
    OnRcpt,
    OnData,
    OnCopy,
    OnRoute,
    OnReply,
    OnDelivered,
    OnReport,
    OnBounce,
    OnFeedback,
    OnRequest,
}

impl Hook {
    /// Those that are needed: what [`Plugin::on_load`](crate::Plugin::on_load) answers.
    pub fn needed(needs: impl IntoIterator<Item = (Self, bool)>) -> Vec<Self> {
        let needed = needs.into_iter().filter(|(_, is_needed)| *is_needed);
        needed.map(|(hook, _)| hook).collect()
    }

    /// The name in the contract, such as `on-data`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnConnect => "on-connect",
            Self::OnAuth => "on-auth",
            Self::OnMail => "on-mail",
            Self::OnRcpt => "on-rcpt",
            Self::OnData => "on-data",
            Self::OnCopy => "on-copy",
            Self::OnRoute => "on-route",
            Self::OnReply => "on-reply",
            Self::OnDelivered => "on-delivered",
            Self::OnReport => "on-report",
            Self::OnBounce => "on-bounce",
            Self::OnFeedback => "on-feedback",
            Self::OnRequest => "on-request",
        }
    }
}
