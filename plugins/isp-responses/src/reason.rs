//! The vocabulary: about thirty reasons, what each means for the address, and what the queue should do.

/// What became of the recipient; the words of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Hard,
    Soft,
    Block,
    Admin,
    Undetermined,
}

/// What the reply holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Recipient,
    Domain,
    Sender,
    Egress,
    Content,
    Connection,
}

macro_rules! reasons {
    ($($variant:ident $name:literal,)*) => {
        /// Why the message was not taken, or what the report is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $($variant,)* }

        /// Every reason, in the order of their numbers.
        pub const REASONS: &[Reason] = &[$(Reason::$variant,)*];

        impl Reason {
            /// The published name.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// The reason of a published name.
            pub fn parse(name: &str) -> Option<Reason> {
                match name { $($name => Some(Reason::$variant),)* _ => None }
            }

            /// The reason of a number that was made by `as u8`.
            pub fn from_number(number: u8) -> Reason {
                REASONS.get(number as usize).copied().unwrap_or(Reason::Unknown)
            }
        }
    };
}

reasons! {
    Unknown "unknown",
    UserUnknown "user-unknown",
    MailboxFull "mailbox-full",
    MailboxDisabled "mailbox-disabled",
    HasMoved "has-moved",
    HostUnknown "host-unknown",
    RelayingDenied "relaying-denied",
    MessageTooBig "message-too-big",
    ContentRejected "content-rejected",
    SpamContent "spam-content",
    Virus "virus",
    Policy "policy",
    SenderRejected "sender-rejected",
    AuthenticationFailure "authentication-failure",
    BadReputation "bad-reputation",
    Blocklisted "blocklisted",
    RateLimited "rate-limited",
    TooManyConnections "too-many-connections",
    Greylisted "greylisted",
    RequiresPtr "requires-ptr",
    TlsRequired "tls-required",
    SystemError "system-error",
    NetworkError "network-error",
    DnsFailure "dns-failure",
    RoutingLoop "routing-loop",
    Expired "expired",
    Suspended "suspended",
    Filtered "filtered",
    NotAccepting "not-accepting",
    SyntaxError "syntax-error",
    Security "security",
    Feedback "feedback",
    Vacation "vacation",
    Delayed "delayed",
    Delivered "delivered",
}

/// What the queue should do where the reply states nothing better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    None,
    Suppress,
    Retry(Option<u32>),
    BackOff(u32),
    Suspend(u32),
    RotateEgress,
}

/// The usual meaning of a reason.
pub struct Meaning {
    /// Where the reply is permanent (5xx).
    pub permanent: Disposition,
    pub scope: Scope,
    pub advice: Advice,
    /// Where the reply is transient (4xx).
    pub transient: Advice,
    pub explanation: &'static str,
}

const MINUTE: u32 = 60;
const HOUR: u32 = 3600;

impl Reason {
    /// Disposition, scope, advice and the sentence for people.
    pub fn meaning(self) -> Meaning {
        use Advice as A;
        use Disposition as D;
        use Scope as S;
        let (permanent, scope, advice, transient, explanation) = match self {
            Reason::Unknown => (
                D::Undetermined,
                S::Recipient,
                A::None,
                A::Retry(None),
                "The remote server refused the message without saying why in words that are known; read its reply.",
            ),
            Reason::UserUnknown => (
                D::Hard,
                S::Recipient,
                A::Suppress,
                A::Retry(None),
                "There is no such mailbox; check the address for mistakes and stop sending to it.",
            ),
            Reason::MailboxFull => (
                D::Soft,
                S::Recipient,
                A::Retry(Some(4 * HOUR)),
                A::Retry(Some(HOUR)),
                "The recipient's mailbox is over its quota; try again later, or reach the recipient another way.",
            ),
            Reason::MailboxDisabled => (
                D::Soft,
                S::Recipient,
                A::Suppress,
                A::Retry(Some(HOUR)),
                "The mailbox exists but has been disabled or is no longer in use; it takes no mail.",
            ),
            Reason::HasMoved => (
                D::Hard,
                S::Recipient,
                A::Suppress,
                A::None,
                "The recipient has another address now; use the new one, which the reply may name.",
            ),
            Reason::HostUnknown => (
                D::Hard,
                S::Domain,
                A::Suppress,
                A::Retry(Some(HOUR)),
                "The recipient's domain or its mail host does not exist; check the domain for mistakes.",
            ),
            Reason::RelayingDenied => (
                D::Admin,
                S::Domain,
                A::None,
                A::Retry(Some(HOUR)),
                "The remote server does not take mail for this domain from us; its MX record or our route is wrong.",
            ),
            Reason::MessageTooBig => (
                D::Block,
                S::Content,
                A::None,
                A::None,
                "The message is larger than the recipient's server allows; send a smaller one.",
            ),
            Reason::ContentRejected => (
                D::Block,
                S::Content,
                A::None,
                A::Retry(Some(HOUR)),
                "The remote server objects to the content or format of the message, such as an attachment or a header.",
            ),
            Reason::SpamContent => (
                D::Block,
                S::Content,
                A::None,
                A::Retry(Some(HOUR)),
                "The remote server takes the message for spam; review its content, links and how the list was made.",
            ),
            Reason::Virus => (
                D::Block,
                S::Content,
                A::None,
                A::None,
                "A virus or other malware was found in the message; check the sending system.",
            ),
            Reason::Policy => (
                D::Block,
                S::Egress,
                A::None,
                A::Retry(Some(HOUR)),
                "A local rule of the recipient's server forbids the message; ask its postmaster what the rule is.",
            ),
            Reason::SenderRejected => (
                D::Block,
                S::Sender,
                A::None,
                A::Retry(Some(HOUR)),
                "The remote server does not accept this sender address; see that it exists and may send.",
            ),
            Reason::AuthenticationFailure => (
                D::Block,
                S::Sender,
                A::None,
                A::Retry(Some(HOUR)),
                "The message failed SPF, DKIM or DMARC; see that the domain's records cover this host and that mail is signed.",
            ),
            Reason::BadReputation => (
                D::Block,
                S::Egress,
                A::Suspend(4 * HOUR),
                A::BackOff(HOUR),
                "The sending address or domain has a poor reputation at this provider; send less and better-wanted mail.",
            ),
            Reason::Blocklisted => (
                D::Block,
                S::Egress,
                A::RotateEgress,
                A::BackOff(HOUR),
                "The sending address is on a block list; find the cause, then ask the list to remove it.",
            ),
            Reason::RateLimited => (
                D::Soft,
                S::Egress,
                A::BackOff(15 * MINUTE),
                A::BackOff(15 * MINUTE),
                "Too much mail in too short a time for this provider; send more slowly.",
            ),
            Reason::TooManyConnections => (
                D::Soft,
                S::Connection,
                A::BackOff(5 * MINUTE),
                A::BackOff(5 * MINUTE),
                "Too many connections are open to this provider at once; use fewer.",
            ),
            Reason::Greylisted => (
                D::Soft,
                S::Recipient,
                A::Retry(Some(5 * MINUTE)),
                A::Retry(Some(5 * MINUTE)),
                "The server asks unknown senders to come back later (greylisting); the next try should succeed.",
            ),
            Reason::RequiresPtr => (
                D::Block,
                S::Egress,
                A::RotateEgress,
                A::BackOff(HOUR),
                "The sending address has no reverse DNS name, or one that does not fit; publish a PTR record and its A record.",
            ),
            Reason::TlsRequired => (
                D::Block,
                S::Connection,
                A::None,
                A::Retry(Some(HOUR)),
                "The connection must be encrypted and was not, or TLS could not be agreed on; see the TLS settings.",
            ),
            Reason::SystemError => (
                D::Soft,
                S::Domain,
                A::Retry(Some(HOUR)),
                A::Retry(Some(10 * MINUTE)),
                "The remote mail system has a fault of its own; it is tried again, and its postmaster can help if it lasts.",
            ),
            Reason::NetworkError => (
                D::Soft,
                S::Connection,
                A::Retry(Some(10 * MINUTE)),
                A::Retry(Some(10 * MINUTE)),
                "The remote host could not be reached, or the connection broke.",
            ),
            Reason::DnsFailure => (
                D::Soft,
                S::Domain,
                A::Retry(Some(30 * MINUTE)),
                A::Retry(Some(15 * MINUTE)),
                "The recipient's domain could not be looked up just now; its name servers fail or do not answer.",
            ),
            Reason::RoutingLoop => (
                D::Soft,
                S::Domain,
                A::None,
                A::Retry(Some(HOUR)),
                "The message goes round in circles between servers; a forwarding or an MX record is wrong.",
            ),
            Reason::Expired => (
                D::Soft,
                S::Recipient,
                A::None,
                A::Retry(None),
                "Delivery was tried until the time ran out; the last error is the cause.",
            ),
            Reason::Suspended => (
                D::Soft,
                S::Recipient,
                A::Retry(Some(24 * HOUR)),
                A::Retry(Some(HOUR)),
                "The recipient's account is suspended or locked; it may come back.",
            ),
            Reason::Filtered => (
                D::Block,
                S::Recipient,
                A::None,
                A::Retry(Some(HOUR)),
                "The recipient's own filter or settings refuse this message or this sender.",
            ),
            Reason::NotAccepting => (
                D::Hard,
                S::Domain,
                A::Suppress,
                A::Retry(Some(HOUR)),
                "The recipient's domain or host accepts no mail at all.",
            ),
            Reason::SyntaxError => (
                D::Admin,
                S::Connection,
                A::None,
                A::Retry(None),
                "The remote server did not understand a command or a parameter; this may be a fault of one of the programs.",
            ),
            Reason::Security => (
                D::Block,
                S::Egress,
                A::None,
                A::Retry(Some(HOUR)),
                "A security rule of the remote server stands in the way, such as a demand to authenticate.",
            ),
            Reason::Feedback => (
                D::Undetermined,
                S::Recipient,
                A::Suppress,
                A::Suppress,
                "The recipient reported the message as unwanted; stop sending to this address.",
            ),
            Reason::Vacation => (
                D::Undetermined,
                S::Recipient,
                A::None,
                A::None,
                "An automatic answer; the message was delivered.",
            ),
            Reason::Delayed => (
                D::Soft,
                S::Recipient,
                A::None,
                A::Retry(None),
                "Delivery is late; the remote server goes on trying, nothing needs to be done.",
            ),
            Reason::Delivered => (
                D::Undetermined,
                S::Recipient,
                A::None,
                A::None,
                "The message was delivered, or handed on to a system that does not report.",
            ),
        };
        Meaning {
            permanent,
            scope,
            advice,
            transient,
            explanation,
        }
    }
}

impl Disposition {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Disposition::Hard => "hard",
            Disposition::Soft => "soft",
            Disposition::Block => "block",
            Disposition::Admin => "admin",
            Disposition::Undetermined => "undetermined",
        }
    }

    /// The disposition of a word.
    pub fn parse(name: &str) -> Option<Disposition> {
        [
            Self::Hard,
            Self::Soft,
            Self::Block,
            Self::Admin,
            Self::Undetermined,
        ]
        .into_iter()
        .find(|d| d.name() == name)
    }
}

impl Scope {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Recipient => "recipient",
            Scope::Domain => "domain",
            Scope::Sender => "sender",
            Scope::Egress => "egress",
            Scope::Content => "content",
            Scope::Connection => "connection",
        }
    }

    /// The scope of a word.
    pub fn parse(name: &str) -> Option<Scope> {
        [
            Self::Recipient,
            Self::Domain,
            Self::Sender,
            Self::Egress,
            Self::Content,
            Self::Connection,
        ]
        .into_iter()
        .find(|s| s.name() == name)
    }
}
