//! One message, or one recipient's copy of it: its parts, its tokens, its headers.

use baton_sdk::message::Part;
use baton_sdk::prelude::*;

use crate::settings::Settings;
use crate::token::{Kind, Signer, Subject};
use crate::{LINKS_MAX, key, link, parts, rewrite};

/// What is to be tracked in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    pub clicks: bool,
    pub opens: bool,
}

impl Wishes {
    pub const NOTHING: Self = Self {
        clicks: false,
        opens: false,
    };

    /// What of it a header's value leaves: "off", "clicks", "opens", or "on".
    pub fn limited_to(self, value: &str) -> Self {
        let mut named = Self::NOTHING;
        for word in value
            .split(',')
            .map(|word| word.trim().to_ascii_lowercase())
        {
            match word.as_str() {
                "clicks" | "click" => named.clicks = true,
                "opens" | "open" => named.opens = true,
                "on" | "yes" | "true" | "1" | "all" => {
                    named = Self {
                        clicks: true,
                        opens: true,
                    }
                }
                _ => {}
            }
        }
        Self {
            clicks: self.clicks && named.clicks,
            opens: self.opens && named.opens,
        }
    }

    /// As a tag's value.
    pub fn word(self) -> &'static str {
        match (self.clicks, self.opens) {
            (true, true) => "on",
            (true, false) => "clicks",
            (false, true) => "opens",
            (false, false) => "off",
        }
    }

    /// From a tag's value.
    pub fn from_word(word: &str) -> Self {
        Self {
            clicks: true,
            opens: true,
        }
        .limited_to(word)
    }
}

/// A URL's prefix and what signs, once it is known that they are needed.
struct Signing {
    base: String,
    signer: Signer,
}

impl Signing {
    /// Appends the address of a page.
    fn write(&mut self, kind: Kind, index: u16, target: &str, into: &mut String) {
        into.push_str(&self.base);
        into.push_str(kind.path());
        self.signer.write(kind, index, target, into);
    }
}

pub struct Tracker<'a> {
    settings: &'a Settings,
    wishes: Wishes,
    is_for_one: bool,
    signing: Option<Signing>,
}

impl<'a> Tracker<'a> {
    /// Without a public URL nothing can be tracked.
    pub fn new(settings: &'a Settings, wishes: Wishes, subject: Subject) -> Result<Self> {
        let base = settings
            .base_url
            .clone()
            .or_else(|| context::property("public-url"));
        let wanted = wishes != Wishes::NOTHING || settings.list_unsubscribe;
        let signing = match base {
            Some(base) if wanted => {
                let secret = settings.key_secrets.get(&settings.key_id);
                let key = key::signing(&settings.key_id, secret)?;
                Some(Signing {
                    base: base.trim_end_matches('/').to_owned(),
                    signer: Signer::new(&settings.key_id, &key, &subject),
                })
            }
            _ => None,
        };
        Ok(Self {
            settings,
            wishes,
            is_for_one: !subject.recipient.is_empty(),
            signing,
        })
    }

    /// Changes the texts of the message itself; attachments and what is signed or encrypted stay.
    pub fn rewrite(&mut self) -> Result<()> {
        let all: Vec<Part> = message::parts().collect();
        let mut pixel = self.pixel();
        let mut links = Links::new(self);
        for part in all.iter().filter(|part| parts::is_body(part, &all)) {
            if part.is_html() {
                links.html(part, &mut pixel)?;
            } else if part.is_plain() && links.settings.text {
                links.plain(part)?;
            }
        }
        Ok(())
    }

    /// RFC 8058, where configured, where one recipient is known, and where the application has not done so itself.
    pub fn offer_unsubscribe(&mut self) -> Result<()> {
        let offers = self.settings.list_unsubscribe && self.is_for_one;
        let Some(signing) = self.signing.as_mut().filter(|_| offers) else {
            return Ok(());
        };
        if message::header("List-Unsubscribe").is_some() {
            return Ok(());
        }
        let mut value = "<".to_owned();
        signing.write(Kind::Unsubscribe, 0, "", &mut value);
        value.push('>');
        let added = message::prepend_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
            .and_then(|()| message::prepend_header("List-Unsubscribe", &value));
        if let Err(error) = added {
            log::warn(format!("no List-Unsubscribe is added: {error}"));
        }
        Ok(())
    }

    fn pixel(&mut self) -> Option<String> {
        let signing = self.signing.as_mut().filter(|_| self.wishes.opens)?;
        let mut html = "<img src=\"".to_owned();
        signing.write(Kind::Open, 0, "", &mut html);
        html.push_str(
            "\" width=\"1\" height=\"1\" alt=\"\" border=\"0\" style=\"height:1px;width:1px;border:0;margin:0;padding:0\">",
        );
        Some(html)
    }
}

/// Writes the links of a message and counts them.
struct Links<'a> {
    settings: &'a Settings,
    clicks: Option<&'a mut Signing>,
    /// Targets of the List-Unsubscribe header: whoever wants to leave is not followed.
    unsubscribe: Vec<String>,
    count: u16,
}

impl<'a> Links<'a> {
    fn new(tracker: &'a mut Tracker<'_>) -> Self {
        let clicks = tracker.signing.as_mut().filter(|_| tracker.wishes.clicks);
        let unsubscribe = match clicks {
            Some(_) => unsubscribe_targets(),
            None => Vec::new(),
        };
        Self {
            settings: tracker.settings,
            clicks,
            unsubscribe,
            count: 0,
        }
    }

    /// The first document gets the pixel.
    fn html(&mut self, part: &Part, pixel: &mut Option<String>) -> Result<()> {
        let Some(text) = parts::text(part)? else {
            return Ok(());
        };
        let changed = rewrite::html(
            &text,
            &mut |target, into| self.write(target, into),
            pixel.as_deref(),
        );
        if let Some(changed) = changed {
            parts::set_text(part, &changed);
        }
        *pixel = None;
        Ok(())
    }

    fn plain(&mut self, part: &Part) -> Result<()> {
        let Some(text) = parts::text(part)? else {
            return Ok(());
        };
        if let Some(changed) = rewrite::plain(&text, &mut |target, into| self.write(target, into)) {
            parts::set_text(part, &changed);
        }
        Ok(())
    }

    fn write(&mut self, target: &str, into: &mut String) -> bool {
        let (listed, excluded) = (self.listed_for_unsubscribe(target), self.excluded(target));
        let Some(signing) = &mut self.clicks else {
            return false;
        };
        let own = target
            .strip_prefix(&*signing.base)
            .is_some_and(|rest| rest.starts_with('/'));
        if self.count >= LINKS_MAX || own || listed || excluded {
            return false;
        }
        signing.write(Kind::Click, self.count, target, into);
        self.count += 1;
        true
    }

    fn excluded(&self, target: &str) -> bool {
        !self.settings.exclude_domains.is_empty()
            && link::host(target)
                .is_some_and(|host| self.settings.excludes(&host.to_ascii_lowercase()))
    }

    fn listed_for_unsubscribe(&self, target: &str) -> bool {
        self.unsubscribe.iter().any(|listed| listed == target)
    }
}

/// The addresses between the brackets of the header, without the white space around them.
fn unsubscribe_targets() -> Vec<String> {
    let value = message::header("List-Unsubscribe").unwrap_or_default();
    let targets = value.split(['<', '>']).map(str::trim_ascii);
    let targets = targets.filter(|target| !target.is_empty());
    targets.map(str::to_owned).collect()
}
