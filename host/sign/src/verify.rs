//! Who a received message is from, as far as its domain says so: SPF (RFC 7208), DKIM (RFC 6376), ARC (RFC 8617) and DMARC
//! (RFC 9989), in the words of RFC 8601.
//!
//! mail-auth asks and judges. What it asks goes through the resolver that it is given; the caller bounds it in time.

use std::net::IpAddr;

use bytes::Bytes;
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::{HashAlgorithm, HashContext, HashImpl, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimError};
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    ArcOutput, AuthenticatedMessage, AuthenticationResults, DkimOutput, DkimResult, DmarcResult,
    Error, MessageAuthenticator, SpfResult,
};

use crate::canon;
use crate::dkim::covered_names;
use crate::keyring::DomainKey;

pub use mail_auth::MessageAuthenticator as Authenticator;

/// Signatures of one message that are looked at; each may cost a question to the DNS and a verification.
pub const SIGNATURES_MAX: usize = 10;

/// RFC 5322 2.1.1 allows 998, with the name of the field.
const ONE_LINE_BYTES_MAX: usize = 900;

/// What came, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who judges, in the field.
    pub by: &'a str,
    pub peer: IpAddr,
    /// Argument of EHLO or HELO.
    pub helo: &'a str,
    /// MAIL FROM; empty for the null reverse-path.
    pub sender: &'a str,
    pub message: &'a [u8],
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Method and result, such as ("dkim", "pass"); one for each signature.
    pub results: Vec<(String, String)>,
    /// The field Authentication-Results, with its line end.
    pub field: String,
}

/// Judges a message.
pub async fn verify(dns: &MessageAuthenticator, asked: Asked<'_>) -> Findings {
    let Some(message) = read(asked.message) else {
        return Findings::without(asked.by, "none");
    };
    // RFC 7208 2.3: only a name has a record.
    let named = asked.helo.contains('.') && !asked.helo.starts_with('[');
    let helo_name = if named { asked.helo } else { "" };
    let helo = dns
        .verify_spf(SpfParameters::verify_ehlo(asked.peer, helo_name, asked.by))
        .await;
    let spf = match asked.sender {
        "" => helo.clone(),
        sender => {
            let parameters =
                SpfParameters::verify_mail_from(asked.peer, asked.helo, asked.by, sender);
            dns.verify_spf(parameters).await
        }
    };
    let signatures = in_the_words_of_the_rfc(&message, dns.verify_dkim(&message).await);
    let arc = dns.verify_arc(&message).await;
    let domain = match asked.sender.rsplit_once('@') {
        Some((_, domain)) => domain,
        None => asked.helo,
    };
    let dmarc = dns
        .verify_dmarc(DmarcParameters {
            message: &message,
            dkim_output: &signatures,
            dkim2_output: None,
            rfc5321_mail_from_domain: domain,
            spf_output: &spf,
        })
        .await;
    let dmarc_word = dmarc_result(&dmarc.result());
    let mut results = vec![("spf".to_owned(), spf_result(spf.result()).to_owned())];
    let mut said = AuthenticationResults::new(asked.by);
    if named {
        said = said.with_spf_ehlo_result(&helo, asked.peer, asked.helo);
    }
    if !asked.sender.is_empty() {
        said = said.with_spf_mailfrom_result(&spf, asked.peer, asked.sender, asked.helo);
    }
    said = said.with_dkim_results(&signatures, message.from());
    results.extend(signatures.iter().map(|one| {
        let word = dkim_result(one.result());
        ("dkim".to_owned(), word.to_owned())
    }));
    if signatures.is_empty() {
        results.push(("dkim".to_owned(), "none".to_owned()));
    }
    if !message.as_headers.is_empty() || message.has_arc_errors {
        said = said.with_arc_result(&arc, asked.peer);
        results.push(("arc".to_owned(), dkim_result(arc.result()).to_owned()));
    }
    said = said.with_dmarc_result(&dmarc);
    results.push(("dmarc".to_owned(), dmarc_word.to_owned()));
    let mut field = Vec::new();
    said.write_header(&mut field);
    let mut field = String::from_utf8_lossy(&field).into_owned();
    if signatures.is_empty() {
        field.truncate(field.trim_end().len());
        field.push_str(";\r\n\tdkim=none\r\n");
    }
    // What the peer said of itself stands in it, as long as it fits.
    let fits = |line: &str| line.len() <= ONE_LINE_BYTES_MAX && line.is_ascii();
    if !field.split("\r\n").all(fits) {
        field = brief(asked.by, &results);
    }
    Findings { results, field }
}

/// The field without a word about what was judged.
fn brief(by: &str, results: &[(String, String)]) -> String {
    let said: String = results
        .iter()
        .map(|(method, result)| format!(";\r\n\t{method}={result}"))
        .collect();
    format!("Authentication-Results: {by}{said}\r\n")
}

impl Findings {
    /// Where nothing could be asked: the same word for every method.
    pub fn without(by: &str, word: &str) -> Findings {
        let results: Vec<(String, String)> = ["spf", "dkim", "dmarc"]
            .iter()
            .map(|method| ((*method).to_owned(), word.to_owned()))
            .collect();
        Findings {
            field: brief(by, &results),
            results,
        }
    }

    /// The value of the field, without folding; the results alone where that would be too long for a line.
    fn in_one_line(&self, by: &str) -> String {
        let value = self.field.split_once(':').map_or("", |(_, value)| value);
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let whole = words.join(" ");
        if whole.len() <= ONE_LINE_BYTES_MAX {
            return whole;
        }
        let results = self.results.iter();
        let short: String = results
            .map(|(method, result)| format!("; {method}={result}"))
            .collect();
        format!("{by}{short}")
    }
}

/// What a domain's SPF record says of an address that sends in its name, in a word.
pub async fn sender_policy(
    dns: &MessageAuthenticator,
    address: IpAddr,
    helo: &str,
    domain: &str,
) -> &'static str {
    let sender = format!("postmaster@{domain}");
    let parameters = SpfParameters::verify_mail_from(address, helo, helo, &sender);
    spf_result(dns.verify_spf(parameters).await.result())
}

/// A set of ARC fields for a message that is passed on, which says what was found out when it came: whoever gets it can believe
/// us where the signatures of its author broke on the way. None where its chain is broken already, or there is nothing to seal.
///
/// `received` is the message as it came, `sent` as it goes.
pub async fn seal(
    dns: &MessageAuthenticator,
    key: &DomainKey,
    by: &str,
    findings: &Findings,
    received: &[u8],
    sent: &[Bytes],
) -> Option<Bytes> {
    let came = read(received)?;
    let chain: ArcOutput<'_> = dns.verify_arc(&came).await;
    if !chain.can_be_sealed() {
        return None;
    }
    let sent = sent.concat();
    let goes = read(&sent)?;
    // mail-auth writes the name, and then what it found itself; the name may hold all of it, in one line.
    let said = findings.in_one_line(by);
    let results = AuthenticationResults::new(&said);
    let set = ArcSealer::from_key(key.key.lend())
        .domain(key.domain.as_ref())
        .selector(key.selector.as_ref())
        .headers(covered_names())
        .seal(&goes, &results, &chain)
        .ok()?;
    let mut out = Vec::with_capacity(2048);
    set.write_header(&mut out);
    Some(out.into())
}

/// Removes fields that pretend to be by us (RFC 8601 5): all that name us before what they found.
pub fn without_forged(message: &Bytes, by: &str) -> Bytes {
    let section = baton_message::HeaderSection::parse(message.clone());
    let forged = |field: &baton_message::Field<'_>| {
        field.is("Authentication-Results") && {
            let value = field.unfolded().to_ascii_lowercase();
            let named = value.split(';').next().unwrap_or_default();
            named.contains(&by.to_ascii_lowercase())
        }
    };
    if !section.fields().any(|field| forged(&field)) {
        return message.clone();
    }
    let mut out = Vec::with_capacity(message.len());
    for (field, bytes) in section.fields().zip(section.field_bytes()) {
        if !forged(&field) {
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(&message[section.range().end..]);
    out.into()
}

/// As mail-auth reads it, with bodies hashed as the RFC says, and no more signatures than we want to pay for.
fn read(message: &[u8]) -> Option<AuthenticatedMessage<'_>> {
    let mut read = AuthenticatedMessage::parse(message)?;
    read.dkim_headers.truncate(SIGNATURES_MAX);
    read.errors.truncate(SIGNATURES_MAX);
    let relaxed = (Canonicalization::Relaxed, HashAlgorithm::Sha256, 0);
    let mut body = canon::Body::new(Sha256::hasher());
    body.write(read.raw_body());
    let hash = body.finish().complete().as_ref().to_vec();
    read.body_hashes
        .retain(|(kind, hash, length, _)| (*kind, *hash, *length) != relaxed);
    read.body_hashes
        .push((relaxed.0, relaxed.1, relaxed.2, hash));
    Some(read)
}

/// RFC 8601 2.7.1: a body that was changed is a failure.
fn in_the_words_of_the_rfc<'x>(
    message: &'x AuthenticatedMessage<'x>,
    outputs: Vec<DkimOutput<'x>>,
) -> Vec<DkimOutput<'x>> {
    // In the order of the fields, after those that could not be read.
    let mut signatures = message.dkim_headers.iter().map(|header| &header.header);
    outputs
        .into_iter()
        .map(|output| {
            let signature = output.signature().and_then(|_| signatures.next());
            match (output.result(), signature) {
                (
                    DkimResult::Neutral(error @ Error::Dkim(DkimError::FailedBodyHashMatch)),
                    Some(signature),
                ) => DkimOutput::fail(error.clone()).with_signature(signature),
                _ => output,
            }
        })
        .collect()
}

fn dkim_result(result: &DkimResult) -> &'static str {
    match result {
        DkimResult::Pass => "pass",
        DkimResult::Neutral(_) => "neutral",
        DkimResult::Fail(_) => "fail",
        DkimResult::PermError(_) => "permerror",
        DkimResult::TempError(_) => "temperror",
        DkimResult::None => "none",
    }
}

fn dmarc_result(result: &DmarcResult) -> &'static str {
    match result {
        DmarcResult::Pass => "pass",
        DmarcResult::Fail(_) => "fail",
        DmarcResult::TempError(_) => "temperror",
        DmarcResult::PermError(_) => "permerror",
        DmarcResult::None => "none",
    }
}

fn spf_result(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::Neutral => "neutral",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
        SpfResult::None => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pretends_to_be_by_us_goes_and_the_rest_stays_as_it_is() {
        let message = Bytes::from_static(
            b"Authentication-Results: relay.test; dkim=pass\r\nFrom: a@b.test\r\n\
              authentication-results:\r\n (x) \"RELAY.test\" 1; spf=pass\r\n\
              Authentication-Results: else.test; spf=fail (relay.test)\r\nSubject: x\r\n\r\n\
              Authentication-Results: relay.test; in the body\r\n",
        );
        let left = without_forged(&message, "relay.test");
        let text = String::from_utf8_lossy(&left);
        assert_eq!(
            text,
            "From: a@b.test\r\nAuthentication-Results: else.test; spf=fail (relay.test)\r\nSubject: x\r\n\r\n\
             Authentication-Results: relay.test; in the body\r\n"
        );
        let same = without_forged(&left, "relay.test");
        assert_eq!(same.as_ptr(), left.as_ptr(), "nothing is copied");
    }

    #[test]
    fn the_results_alone_are_told_where_all_of_it_would_be_too_long() {
        let findings = Findings::without("relay.test", "temperror");
        assert_eq!(
            findings.in_one_line("relay.test"),
            "relay.test; spf=temperror; dkim=temperror; dmarc=temperror"
        );
        let long = Findings {
            field: format!(
                "Authentication-Results: relay.test; {}\r\n",
                "x".repeat(2000)
            ),
            ..findings
        };
        assert_eq!(
            long.in_one_line("relay.test"),
            "relay.test; spf=temperror; dkim=temperror; dmarc=temperror"
        );
    }
}
