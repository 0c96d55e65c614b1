//! The macro `baton_sdk::golden!`: a folder of cases becomes a custom section of the component.

use std::env;
use std::fs;
use std::path::Path;

use proc_macro::{Literal, Span, TokenStream, TokenTree};

use crate::Mistake;

const SECTION: &str = "baton:golden";
const USAGE: &str =
    "name the folder of cases, seen from Cargo.toml: `baton_sdk::golden!(\"golden\");`";

/// The items that put the folder's files into the section, and make cargo look at them.
pub fn section(input: TokenStream) -> Result<TokenStream, Mistake> {
    let mut tokens = input.into_iter();
    let (first, None) = (tokens.next(), tokens.next()) else {
        return Err(mistake(Span::call_site(), USAGE.into()));
    };
    let at = first.as_ref().map_or_else(Span::call_site, TokenTree::span);
    let text = first.map(|token| token.to_string()).unwrap_or_default();
    let folder = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .ok_or_else(|| mistake(at, USAGE.into()))?;
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let folder = Path::new(&root).join(folder);
    let (bytes, paths) = read(&folder).map_err(|text| mistake(at, text))?;

    let mut code = String::from("const _: () = {\n");
    for path in &paths {
        code.push_str(&format!(
            "const _: &[u8] = ::core::include_bytes!({path:?});\n"
        ));
    }
    code.push_str(&format!(
        "#[cfg(target_family = \"wasm\")]\n#[used]\n#[unsafe(link_section = {SECTION:?})]\n\
         static SECTION: [u8; {}] = *{};\n}};",
        bytes.len(),
        Literal::byte_string(&bytes)
    ));
    code.parse()
        .map_err(|e| mistake(at, format!("the cases cannot be embedded: {e}")))
}

/// The records of the section, and the files they hold.
fn read(folder: &Path) -> Result<(Vec<u8>, Vec<String>), String> {
    let entries = fs::read_dir(folder).map_err(|e| {
        format!(
            "the folder of cases {} cannot be read: {e}",
            folder.display()
        )
    })?;
    let mut paths: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str());
            matches!(extension, Some("json" | "eml")) && path.is_file()
        })
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(format!(
            "{} holds no cases: no .json and no .eml file",
            folder.display()
        ));
    }
    let (mut bytes, mut names) = (Vec::new(), Vec::new());
    for path in paths {
        let content = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| !name.contains(char::is_whitespace));
        let name =
            name.ok_or_else(|| format!("{}: a name without spaces, please", path.display()))?;
        bytes.extend_from_slice(format!("baton-golden/1 {name} {}\n", content.len()).as_bytes());
        bytes.extend_from_slice(&content);
        bytes.push(b'\n');
        names.push(path.to_string_lossy().into_owned());
    }
    Ok((bytes, names))
}

fn mistake(at: Span, text: String) -> Mistake {
    Mistake { at, text }
}
