//! Who follows a link or loads a pixel: a person, or one of the programs that do so on their own. Programs are answered like
//! people and their visit is reported as what it is, so that it is not counted as interest.

use baton_sdk::Request;

/// What kind of visitor a request comes from, in the words of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visitor {
    Person,
    /// A security scanner, crawler, link preview or library.
    Scanner,
    /// A browser or mail program that loads before anybody asked.
    Prefetch,
    /// A proxy that loads images for a reader; the opening is real, where and when are not.
    Proxy,
}

impl Visitor {
    /// The word in events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Scanner => "scanner",
            Self::Prefetch => "prefetch",
            Self::Proxy => "proxy",
        }
    }
}

/// Image proxies of large mail services.
const PROXIES: [&str; 3] = ["googleimageproxy", "yahoomailproxy", "ggpht.com"];

/// Words in the user agents of scanners, crawlers, previews and libraries, in lower case.
const SCANNERS: [&str; 45] = [
    "bot",
    "crawl",
    "spider",
    "scan",
    "preview",
    "slurp",
    "monitor",
    "fetch",
    "headless",
    "phantomjs",
    "selenium",
    "puppeteer",
    "playwright",
    "curl/",
    "wget/",
    "python",
    "go-http-client",
    "java/",
    "okhttp",
    "apache-httpclient",
    "libwww",
    "ruby",
    "perl",
    "php/",
    "node-fetch",
    "axios",
    "undici",
    "guzzle",
    "httpx",
    "powershell",
    "winhttp",
    "barracuda",
    "proofpoint",
    "mimecast",
    "fortinet",
    "sophos",
    "symantec",
    "trendmicro",
    "cloudmark",
    "messagelabs",
    "zscaler",
    "facebookexternalhit",
    "whatsapp",
    "skypeuri",
    "bingpreview",
];

/// Headers by which a program says that nobody has asked for the page yet.
const PURPOSES: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

/// Judges by what the request says of itself.
pub fn of(request: &Request) -> Visitor {
    let says_prefetch = PURPOSES
        .iter()
        .filter_map(|name| request.header(name))
        .any(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("prefetch") || value.contains("preview") || value.contains("prerender")
        });
    let agent = request
        .header("user-agent")
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
        // A maker of telephones.
        .replace("cubot", "");
    if says_prefetch {
        Visitor::Prefetch
    } else if PROXIES.iter().any(|word| agent.contains(word)) {
        Visitor::Proxy
    } else if agent == "mozilla/5.0" {
        // Apple's Mail Privacy Protection loads every image of every message under this bare name.
        Visitor::Prefetch
    } else if agent.is_empty() || SCANNERS.iter().any(|word| agent.contains(word)) {
        Visitor::Scanner
    } else {
        Visitor::Person
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(text: &str) -> Visitor {
        of(&Request::get("/c/x").with_header("User-Agent", text))
    }

    #[test]
    fn browsers_and_mail_programs_are_people() {
        for text in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.0",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36",
            "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0; Pro)",
        ] {
            assert_eq!(agent(text), Visitor::Person, "{text}");
        }
    }

    #[test]
    fn programs_are_told_from_people() {
        assert_eq!(
            agent("Mozilla/5.0 (compatible; Googlebot/2.1)"),
            Visitor::Scanner
        );
        assert_eq!(agent("python-requests/2.31"), Visitor::Scanner);
        assert_eq!(agent("curl/8.5.0"), Visitor::Scanner);
        assert_eq!(agent(""), Visitor::Scanner);
        assert_eq!(of(&Request::get("/c/x")), Visitor::Scanner);
        assert_eq!(agent("Mozilla/5.0"), Visitor::Prefetch);
        assert_eq!(
            agent("Mozilla/5.0 (via ggpht.com GoogleImageProxy)"),
            Visitor::Proxy
        );
        let request = Request::get("/c/x")
            .with_header(
                "User-Agent",
                "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
            )
            .with_header("Sec-Purpose", "prefetch;anonymous-client-ip");
        assert_eq!(of(&request), Visitor::Prefetch);
    }
}
