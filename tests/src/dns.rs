//! A DNS server with a zone made for the test, which can also fail, lie and stay silent. Built on hickory-server, so that
//! the bytes on the wire are not ours.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo, Server};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

const TTL: u32 = 5;

/// What is answered for a name, whatever the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    ServFail,
    Refused,
    /// No answer at all.
    Silence,
}

#[derive(Default)]
struct Zone {
    records: HashMap<(String, RecordType), Vec<RData>>,
    troubles: HashMap<String, Trouble>,
    asked: Vec<(String, RecordType)>,
}

/// A running server; stops when dropped.
pub struct Dns {
    pub addr: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    _server: Server<Handler>,
}

impl Dns {
    pub async fn start() -> Dns {
        let zone = Arc::new(Mutex::new(Zone::default()));
        let mut server = Server::new(Handler { zone: zone.clone() });
        let (udp, tcp) = sockets().await;
        let addr = udp.local_addr().expect("a bound socket has an address");
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 64);
        Dns {
            addr,
            zone,
            _server: server,
        }
    }

    fn add(&self, name: &str, data: RData) {
        let key = (canonical(name), data.record_type());
        self.zone
            .lock()
            .unwrap()
            .records
            .entry(key)
            .or_default()
            .push(data);
    }

    pub fn mx(&self, name: &str, preference: u16, exchange: &str) {
        self.add(name, RData::MX(MX::new(preference, fqdn(exchange))));
    }

    pub fn address(&self, name: &str, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.add(name, RData::A(A(ip))),
            IpAddr::V6(ip) => self.add(name, RData::AAAA(AAAA(ip))),
        }
    }

    pub fn text(&self, name: &str, text: &str) {
        self.add(name, RData::TXT(TXT::new(vec![text.to_owned()])));
    }

    /// In strings of 255 octets, as long keys are.
    pub fn long_text(&self, name: &str, text: &str) {
        let strings = text.as_bytes().chunks(255);
        let strings = strings.map(|piece| String::from_utf8_lossy(piece).into_owned());
        self.add(name, RData::TXT(TXT::new(strings.collect())));
    }

    pub fn cname(&self, name: &str, target: &str) {
        self.add(name, RData::CNAME(CNAME(fqdn(target))));
    }

    /// The reverse name of an IPv4 address.
    pub fn reverse(&self, ip: Ipv4Addr, name: &str) {
        let o = ip.octets();
        let reversed = format!("{}.{}.{}.{}.in-addr.arpa", o[3], o[2], o[1], o[0]);
        self.add(&reversed, RData::PTR(PTR(fqdn(name))));
    }

    pub fn trouble(&self, name: &str, trouble: Trouble) {
        self.zone
            .lock()
            .unwrap()
            .troubles
            .insert(canonical(name), trouble);
    }

    pub fn forget(&self, name: &str) {
        let name = canonical(name);
        let mut zone = self.zone.lock().unwrap();
        zone.records.retain(|(n, _), _| *n != name);
        zone.troubles.remove(&name);
    }

    /// How often that name was asked for.
    pub fn asked(&self, name: &str) -> usize {
        let name = canonical(name);
        self.zone
            .lock()
            .unwrap()
            .asked
            .iter()
            .filter(|(n, _)| *n == name)
            .count()
    }
}

/// UDP and TCP on one free port.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let udp = UdpSocket::bind("127.0.0.1:0")
            .await
            .expect("a free UDP port");
        let addr = udp.local_addr().expect("a bound socket has an address");
        if let Ok(tcp) = TcpListener::bind(addr).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn fqdn(name: &str) -> Name {
    let name = canonical(name);
    Name::from_ascii(if name.is_empty() {
        ".".into()
    } else {
        format!("{name}.")
    })
    .expect("a valid name")
}

struct Handler {
    zone: Arc<Mutex<Zone>>,
}

impl Handler {
    /// The answer, following aliases; `None` for silence.
    fn answer(&self, asked: &str, kind: RecordType) -> Option<(ResponseCode, Vec<Record>)> {
        let mut zone = self.zone.lock().unwrap();
        zone.asked.push((asked.to_owned(), kind));
        let mut name = asked.to_owned();
        let mut records = Vec::new();
        for _ in 0..8 {
            match zone.troubles.get(&name) {
                Some(Trouble::ServFail) => return Some((ResponseCode::ServFail, Vec::new())),
                Some(Trouble::Refused) => return Some((ResponseCode::Refused, Vec::new())),
                Some(Trouble::Silence) => return None,
                None => {}
            }
            let add = |records: &mut Vec<Record>, data: &RData| {
                records.push(Record::from_rdata(fqdn(&name), TTL, data.clone()));
            };
            if let Some(found) = zone.records.get(&(name.clone(), kind)) {
                found.iter().for_each(|data| add(&mut records, data));
                break;
            }
            let alias = zone
                .records
                .get(&(name.clone(), RecordType::CNAME))
                .and_then(|d| d.first());
            let Some(RData::CNAME(CNAME(target))) = alias else {
                break;
            };
            add(&mut records, &RData::CNAME(CNAME(target.clone())));
            name = canonical(&target.to_ascii());
        }
        let exists = zone
            .records
            .keys()
            .any(|(n, _)| *n == name || n.ends_with(&format!(".{name}")));
        let code = if exists {
            ResponseCode::NoError
        } else {
            ResponseCode::NXDomain
        };
        Some((code, records))
    }
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let Ok(info) = request.request_info() else {
            return silence(request);
        };
        let name = canonical(&info.query.name().to_string());
        let Some((code, records)) = self.answer(&name, info.query.query_type()) else {
            return silence(request);
        };
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = code;
        metadata.authoritative = true;
        metadata.recursion_available = true;
        let none: [Record; 0] = [];
        let negative = records.is_empty() && code != ResponseCode::ServFail;
        let soa = negative.then(authority);
        let message = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            records.iter(),
            none.iter(),
            soa.iter(),
            none.iter(),
        );
        match response.send_response(message).await {
            Ok(info) => info,
            Err(_) => silence(request),
        }
    }
}

/// What a negative answer carries, so that a resolver knows how long to believe it.
fn authority() -> Record {
    let soa = SOA::new(fqdn("ns.test"), fqdn("hostmaster.test"), 1, 60, 60, 60, 1);
    Record::from_rdata(fqdn("test"), 1, RData::SOA(soa))
}

fn silence(request: &Request) -> ResponseInfo {
    let metadata = Metadata::response_from_request(&request.metadata);
    ResponseInfo::from(Header {
        metadata,
        counts: HeaderCounts::default(),
    })
}
