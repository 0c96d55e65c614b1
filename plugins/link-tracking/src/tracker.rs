//! One message, or one recipient's copy of it: its parts, its tokens, its headers.

use baton_sdk::message::Part;
use baton_sdk::prelude::*;

use crate::settings::Settings;
use crate::token::{Kind, Signer, Subject};
use crate::{LINKS_MAX, TEXT_BYTES_MAX, key, link, rewrite};

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

/// A URL's prefix and the key, once it is known that they are needed.
struct Signing {
    base: String,
    key: Vec<u8>,
}

pub struct Tracker<'a> {
    settings: &'a Settings,
    wishes: Wishes,
    subject: Subject,
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
                let base = base.trim_end_matches('/').to_owned();
                Some(Signing {
                    base,
                    key: key::signing(&settings.key_id, secret)?,
                })
            }
            _ => None,
        };
        Ok(Self {
            settings,
            wishes,
            subject,
            signing,
        })
    }

    /// Changes the texts of the message itself; attachments and what is signed or encrypted stay.
    pub fn rewrite(&mut self) -> Result<()> {
        let parts: Vec<Part> = message::parts().collect();
        let mut pixel = self.pixel();
        let mut links = Links::new(self);
        for part in parts.iter().filter(|part| is_text_of(part, &parts)) {
            if part.is_html() {
                links.html(part, &mut pixel)?;
            } else if part.is_plain() && self.settings.text {
                links.plain(part)?;
            }
        }
        Ok(())
    }

    /// RFC 8058, where configured, where one recipient is known, and where the application has not done so itself.
    pub fn offer_unsubscribe(&self) -> Result<()> {
        let Some(signing) = self
            .signing
            .as_ref()
            .filter(|_| self.settings.list_unsubscribe)
        else {
            return Ok(());
        };
        if self.subject.recipient.is_empty() || message::header("List-Unsubscribe").is_some() {
            return Ok(());
        }
        let mut value = format!("<{}{}", signing.base, Kind::Unsubscribe.path());
        self.signer(signing, Kind::Unsubscribe)
            .write(0, "", &mut value);
        value.push('>');
        message::prepend_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")?;
        message::prepend_header("List-Unsubscribe", &value)?;
        Ok(())
    }

    fn pixel(&self) -> Option<String> {
        let signing = self.signing.as_ref().filter(|_| self.wishes.opens)?;
        let mut html = format!("<img src=\"{}{}", signing.base, Kind::Open.path());
        self.signer(signing, Kind::Open).write(0, "", &mut html);
        html.push_str(
            "\" width=\"1\" height=\"1\" alt=\"\" border=\"0\" style=\"height:1px;width:1px;border:0;margin:0;padding:0\">",
        );
        Some(html)
    }

    fn signer(&self, signing: &Signing, kind: Kind) -> Signer {
        Signer::new(kind, &self.settings.key_id, &signing.key, &self.subject)
    }
}

/// Writes the links of a message and counts them.
struct Links<'a> {
    settings: &'a Settings,
    clicks: Option<(&'a str, Signer)>,
    /// Targets of the List-Unsubscribe header: whoever wants to leave is not followed.
    unsubscribe: String,
    count: u16,
}

impl<'a> Links<'a> {
    fn new(tracker: &'a Tracker<'a>) -> Self {
        let signing = tracker.signing.as_ref().filter(|_| tracker.wishes.clicks);
        Self {
            settings: tracker.settings,
            clicks: signing
                .map(|signing| (signing.base.as_str(), tracker.signer(signing, Kind::Click))),
            unsubscribe: signing
                .and_then(|_| message::header("List-Unsubscribe"))
                .unwrap_or_default(),
            count: 0,
        }
    }

    /// The first document gets the pixel.
    fn html(&mut self, part: &Part, pixel: &mut Option<String>) -> Result<()> {
        let Some(text) = readable(part)? else {
            return Ok(());
        };
        let changed = rewrite::html(
            &text,
            &mut |target, into| self.write(target, into),
            pixel.as_deref(),
        );
        if let Some(changed) = changed {
            write_back(part, &changed);
        }
        *pixel = None;
        Ok(())
    }

    fn plain(&mut self, part: &Part) -> Result<()> {
        let Some(text) = readable(part)? else {
            return Ok(());
        };
        if let Some(changed) = rewrite::plain(&text, &mut |target, into| self.write(target, into)) {
            write_back(part, &changed);
        }
        Ok(())
    }

    fn write(&mut self, target: &str, into: &mut String) -> bool {
        let Some((base, _)) = &self.clicks else {
            return false;
        };
        let own = target
            .strip_prefix(*base)
            .is_some_and(|rest| rest.starts_with('/'));
        if self.count >= LINKS_MAX
            || own
            || self.listed_for_unsubscribe(target)
            || self.excluded(target)
        {
            return false;
        }
        let Some((base, signer)) = &mut self.clicks else {
            return false;
        };
        into.push_str(base);
        into.push_str(Kind::Click.path());
        signer.write(self.count, target, into);
        self.count += 1;
        true
    }

    fn excluded(&self, target: &str) -> bool {
        !self.settings.exclude_domains.is_empty()
            && link::host(target)
                .is_some_and(|host| self.settings.excludes(&host.to_ascii_lowercase()))
    }

    fn listed_for_unsubscribe(&self, target: &str) -> bool {
        !self.unsubscribe.is_empty()
            && self
                .unsubscribe
                .split(['<', '>'])
                .any(|listed| listed.trim() == target)
    }
}

/// The text of a part, unless it is too long, or holds bytes that its charset does not know: those could not be written back as
/// they were.
fn readable(part: &Part) -> Result<Option<String>> {
    if part.size > TEXT_BYTES_MAX {
        log::info(format!(
            "part {} is left alone: {} bytes of text are too many",
            part.index, part.size
        ));
        return Ok(None);
    }
    let text = match part.text() {
        Ok(text) => text,
        Err(error) => {
            log::info(format!("part {} is left alone: {error}", part.index));
            return Ok(None);
        }
    };
    if text.contains('\u{fffd}') && !is_utf8(part)? {
        log::info(format!(
            "part {} is left alone: some bytes are not in its charset",
            part.index
        ));
        return Ok(None);
    }
    Ok(Some(text))
}

/// What the relay will not have changed, for a reason of its own, is sent as it was: mail goes before tracking.
fn write_back(part: &Part, text: &str) {
    if let Err(error) = part.set_text(text) {
        log::warn(format!("part {} is left alone: {error}", part.index));
    }
}

/// Whether a replacement character in the text may be the author's own.
fn is_utf8(part: &Part) -> Result<bool> {
    let mut bytes = Vec::new();
    for piece in part.content() {
        bytes.extend(piece?);
    }
    Ok(std::str::from_utf8(&bytes).is_ok())
}

/// Whether the part is text that the reader sees as the message: no attachment, nothing within a forwarded message, nothing that
/// a signature covers.
fn is_text_of(part: &Part, parts: &[Part]) -> bool {
    if !part.editable || !(part.is_html() || part.is_plain()) {
        return false;
    }
    let parent_of = |part: &Part| parts.get(part.parent? as usize);
    let mut above = parent_of(part);
    let is_body = match part.disposition.as_deref() {
        Some("inline") => true,
        Some(_) => false,
        // A file's name makes an attachment of a part that stands beside the text, not of the text itself.
        None => {
            part.filename.is_none()
                || above.is_none_or(|parent| parent.media_type == "multipart/alternative")
        }
    };
    let mut depth = 0;
    while let Some(parent) = above {
        depth += 1;
        if depth > parts.len()
            || parent.media_type.starts_with("message/")
            || parent.is_attachment()
        {
            return false;
        }
        above = parent_of(parent);
    }
    is_body
}
