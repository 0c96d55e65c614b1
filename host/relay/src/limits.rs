//! The numbers that bound what a relay holds in memory and how long it waits, where a configuration has no say.

use std::time::Duration;

/// Connections the kernel queues for us before we accept them.
pub const LISTEN_BACKLOG: i32 = 1024;

/// Jobs of one commit. A sync costs the same for one and for all of them; past some hundreds only latency grows.
pub const BATCH_JOBS_MAX: usize = 512;
/// Bytes of message bodies of one commit, beyond which no further job joins.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// How long outcomes alone wait for a commit to share; whoever waits for a 250 never waits for this.
pub const COMMIT_GATHER: Duration = Duration::from_millis(2);
/// How long a commit lets others join while many are about.
pub const COMMIT_LINGER: Duration = Duration::from_micros(2500);
/// Jobs of the commit before, from which on many are about.
pub const COMMIT_LINGER_JOBS_MIN: usize = 6;
/// KiB of bodies that wait to be committed; whoever comes after waits before it hands them over.
pub const COMMIT_WAITING_KIB_MAX: usize = 128 << 10;

/// Accepted messages on their way to the queue; more are found in the spool later.
pub const FRESH_MESSAGES_MAX: usize = 4096;
/// Bytes of bodies kept in memory between the commit and the first attempt; the others are read back.
pub const FRESH_BODY_BYTES_MAX: usize = 64 << 20;

/// Addresses of one site that are tried in one attempt (RFC 5321 5.1 asks for two at least).
pub const ADDRESSES_TRIED_MAX: usize = 8;
/// Space for one read from a remote host: replies are short.
pub const REPLY_READ_BYTES: usize = 4096;
/// Slices of one write.
pub const WRITE_SLICES: usize = 16;
/// How long a goodbye is waited for; nothing depends on it.
pub const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long nobody is accepted after the system could not.
pub const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Password checks at the same time, each some 20 MiB and tens of milliseconds of a core.
pub const PASSWORD_CHECKS_MAX: usize = 2;
/// How long a client waits for its password to be checked before it is told to come back.
pub const PASSWORD_CHECK_WAIT: Duration = Duration::from_secs(10);
/// How long a wrong password is left without an answer.
pub const PASSWORD_WRONG_REST: Duration = Duration::from_secs(1);
/// For the header of the PROXY protocol, and for a TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Space for one read from a client, on the stack of the thread that reads.
pub const CLIENT_READ_BYTES: usize = 32 << 10;
/// How long a client may be silent before what its session could make again is given up.
pub const PARK_AFTER: Duration = Duration::from_millis(300);
/// For a client to take a reply.
pub const REPLY_WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// For the reverse name of a client; without an answer it has none.
pub const PEER_NAME_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the rest of a PROXY header that came in pieces is left to arrive.
pub const PEEK_REST: Duration = Duration::from_millis(5);

/// Rows of one plugin's key-value kept in memory; those that wait to be written do not count.
pub const KV_ROWS_CACHED_MAX: usize = 10_000;
/// Rows of one plugin's key-value up to which all of them are kept in memory.
pub const KV_WHOLE_ROWS_MAX: u64 = 5_000;
/// The same for the bytes of keys and values.
pub const KV_WHOLE_BYTES_MAX: u64 = 1 << 20;

/// How often the room in the spool is looked at, for the operator's sake; each session looks for itself.
pub const ROOM_CHECK_EVERY: Duration = Duration::from_secs(1);

/// Bytes of one piece of a message's trace, such as all hook calls of its reception.
pub const TRACE_PIECE_BYTES_MAX: usize = 64 << 10;

/// Due entries in memory, some 100 bytes each; further ones wait in the spool.
pub const LEASED_ENTRIES_MAX: usize = 100_000;
/// Due entries of one domain in memory, so that one domain never fills the window.
pub const LEASED_ENTRIES_PER_DOMAIN_MAX: usize = 50_000;
/// Entries that are routed, queued for a site or attempted, some KiB each.
pub const ACTIVE_ENTRIES_MAX: usize = 10_000;
/// The same of one domain.
pub const ACTIVE_ENTRIES_PER_DOMAIN_MAX: usize = 1_000;
/// Tasks that route; a plugin that waits for the network in `on-route` holds one of them.
pub const ROUTERS: usize = 32;
/// Entries read at a time when looking for what is due.
pub const SCAN_PAGE_ENTRIES: usize = 1_000;
/// No two looks for what is due come closer than this.
pub const SCAN_REST: Duration = Duration::from_millis(50);
/// How long what found no room in memory waits before it is looked for again.
pub const SCAN_OVERFLOW_REST: Duration = Duration::from_secs(2);
/// How long nothing is looked for after the spool could not be read.
pub const SCAN_TROUBLE_REST: Duration = Duration::from_secs(5);
/// How often everything due is looked at, and the longest wait between two looks.
pub const SCAN_WHOLE_EVERY: Duration = Duration::from_secs(60);
/// How long a site is left alone after the first failure to connect; doubled by each further one.
pub const SITE_REST_FIRST: Duration = Duration::from_secs(30);
/// And never longer than this.
pub const SITE_REST_LONGEST: Duration = Duration::from_secs(30 * 60);
/// How long a recipient waits when a plugin could not say where to, or named what is not configured.
pub const ROUTE_TROUBLE_REST: Duration = Duration::from_secs(60);
/// Mail that is put off without an attempt comes back spread over this share of its wait.
pub const WAIT_SPREAD: f64 = 0.25;
/// How long a recipient rests whose outcome could not be made durable.
pub const SETTLE_TROUBLE_REST: Duration = Duration::from_secs(1);
/// What looks like a token in one report and is verified; each costs a hash per key.
pub const REPORT_TOKENS_TRIED_MAX: usize = 64;
/// Return paths of ours that one message may be for.
pub const REPORT_PLACES_MAX: usize = 10;
/// Reports of one message that are acted on.
pub const REPORTS_MAX: usize = 200;
/// How often the keys of return paths are looked at.
pub const RETURN_PATH_KEYS_EVERY: Duration = Duration::from_secs(60 * 60);
/// Events that wait to be written for receivers outside; what comes with no commit of its own and finds no room is lost, and
/// told of.
pub const OUTBOX_WAITING_MAX: usize = 10_000;
/// Events of one write.
pub const OUTBOX_BATCH_MAX: usize = 1_000;
/// How often a receiver's task looks for events that it was not told of.
pub const OUTBOX_LOOK_EVERY: Duration = Duration::from_secs(2);
/// Bytes of one request to a receiver; a single event may be larger.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a receiver's answer, which nobody reads.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 64 << 10;
/// A larger message is not given back whole in a bounce, whatever its sender asked for.
pub const RETURNED_BYTES_MAX: usize = 50 << 10;

/// Messages that beget messages: how long the chain may be that plugins make by submitting.
pub const SUBMIT_HOPS_MAX: u8 = 3;
/// SPF, DKIM, ARC and DMARC of one message; RFC 7208 4.6.4 asks for 20 seconds at least.
pub const AUTHENTICATION_TIME: Duration = Duration::from_secs(20);
/// The file of a domain's MTA-STS policy, from the first packet to the last (RFC 8461 3.3 suggests a minute).
pub const STS_PATIENCE: Duration = Duration::from_secs(60);
/// RFC 8461 3.3.
pub const STS_BYTES_MAX: usize = 64 << 10;
/// How long a policy that could not be fetched is not asked for again (RFC 8461 3.3).
pub const STS_REST: Duration = Duration::from_secs(5 * 60);
/// Domains whose policies are known; some 300 bytes each.
pub const STS_DOMAINS_MAX: usize = 10_000;
/// How often new policies are written down.
pub const STS_WRITE_EVERY: Duration = Duration::from_secs(5);
/// Larger messages are signed on a thread of their own.
pub const SIGNED_AT_ONCE_BYTES_MAX: u64 = 256 << 10;
/// Messages whose signatures are kept for the next site; some 1.5 KiB each.
pub const SIGNATURES_KEPT_MAX: usize = 4_000;
/// And for how long.
pub const SIGNATURE_KEPT_FOR: Duration = Duration::from_secs(15 * 60);
/// Sites of which it is known which egresses rest towards them.
pub const RESTING_SITES_MAX: usize = 10_000;
/// What a plugin's HTTP connection buffers of a head.
pub const HTTP_BUFFER_BYTES_MAX: usize = 64 << 10;
/// How often what plugins wrote into their key-value is made durable.
pub const KV_FLUSH_EVERY: Duration = Duration::from_millis(500);
/// Rows of one step of that.
pub const KV_WRITES_MAX: usize = 1_000;
/// How often rows whose time is over are removed.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Rows of each table in one step of that; there are as many steps as it takes.
pub const SWEEP_ROWS_MAX: u32 = 1_000;
/// A recipient may be rewritten to so many others before the spool refuses the message.
pub const REWRITES_MAX: usize = 10;
