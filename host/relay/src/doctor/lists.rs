//! Block lists (RFC 5782) that know an address mail leaves from.

use std::net::IpAddr;

use super::{Finding, Source, Verdict};
use crate::dns::Resolver;

pub(super) async fn all(sources: &[Source], lists: &[String], resolver: &Resolver) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for zone in lists {
            let subject = format!("{} at {zone}", source.address);
            let answer = resolver.listed(zone, &source.address.to_string()).await;
            let told =
                |verdict, message: String| Finding::new("block-list", &subject, verdict, message);
            findings.push(match answer {
                Ok(None) => told(Verdict::Ok, "not listed".into()),
                // 127.255.255.0/24 says that the list does not answer this resolver.
                Ok(Some(IpAddr::V4(code))) if code.octets()[..3] == [127, 255, 255] => {
                    let message = format!("the list does not answer the resolver used here ({code})");
                    told(Verdict::Skipped, message)
                }
                Ok(Some(code)) => told(Verdict::Wrong, format!("listed ({code})"))
                    .fix("find out why at the list's own page; stop the cause before you ask for removal"),
                Err(error) => told(Verdict::Skipped, error.to_string()),
            });
        }
    }
    findings
}
