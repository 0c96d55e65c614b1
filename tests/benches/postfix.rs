//! Postfix from Debian's package, set up to do the same work: relay for loopback, one fsync a message, no DNS, no TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::{DOMAINS, SINK_PORT, Subject, meter};

const MAIN: &str = "compatibility_level = 3.6
queue_directory = @HOME@/queue
data_directory = @HOME@/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = relay.test
mydestination =
local_transport = error:no local delivery
alias_maps =
alias_database =
transport_maps = hash:@HOME@/conf/transport
smtpd_relay_restrictions = permit_mynetworks, reject
disable_dns_lookups = yes
smtpd_peername_lookup = no
maillog_file = @HOME@/data/mail.log
maillog_file_prefixes = @HOME@
default_process_limit = 400
smtpd_client_connection_count_limit = 0
default_destination_concurrency_limit = 50
initial_destination_concurrency = 20
qmgr_message_active_limit = 50000
qmgr_message_recipient_limit = 50000
in_flow_delay = 0
smtp_tls_security_level =
";

pub struct Postfix {
    home: PathBuf,
}

impl Postfix {
    pub fn new(home: PathBuf) -> Postfix {
        if !std::path::Path::new("/usr/sbin/postfix").exists() {
            eprintln!("bench: --postfix needs Debian's package postfix");
            std::process::exit(2);
        }
        Postfix { home }
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program)
            .args(arguments)
            .status()
            .expect("it starts");
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }
}

impl Subject for Postfix {
    fn name(&self) -> &'static str {
        "postfix"
    }

    fn port(&self) -> u16 {
        2520
    }

    fn start(&self) -> Child {
        let home = self.home.display().to_string();
        let _ = std::fs::remove_dir_all(&self.home);
        for folder in ["conf", "queue", "data"] {
            std::fs::create_dir_all(self.home.join(folder)).expect("a folder");
        }
        for folder in [self.home.parent().expect("a parent"), &self.home] {
            let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755));
        }
        let conf = self.home.join("conf");
        let master = std::fs::read_to_string("/etc/postfix/master.cf").expect("Debian's master.cf");
        let master: String = master
            .lines()
            .filter(|l| !l.starts_with('#'))
            .map(|l| {
                // No chroot, and the port of the benchmark in the place of 25.
                let mut words: Vec<&str> = l.split_whitespace().collect();
                if words.len() < 8 || l.starts_with(' ') {
                    return format!("{l}\n");
                }
                words[4] = "n";
                if words[0] == "smtp" && words[1] == "inet" {
                    words[0] = "2520";
                }
                format!("{}\n", words.join(" "))
            })
            .collect();
        std::fs::write(conf.join("master.cf"), master).expect("written");
        std::fs::write(conf.join("main.cf"), MAIN.replace("@HOME@", &home)).expect("written");
        let routes: String = (1..=DOMAINS)
            .map(|n| format!("d{n}.test smtp:[127.0.1.{n}]:{SINK_PORT}\n"))
            .collect();
        std::fs::write(conf.join("transport"), routes).expect("written");
        let conf = conf.display().to_string();
        self.run("postmap", &["-c", &conf, &format!("{conf}/transport")]);
        self.run("chown", &["-R", "postfix", &format!("{home}/data")]);
        let _ = Command::new("postfix")
            .args(["-c", &conf, "check"])
            .status();
        let mut command = Command::new("postfix");
        command.args(["-c", &conf, "start-fg"]);
        meter::in_own_session(&mut command, &self.home.join("log"))
    }
}
