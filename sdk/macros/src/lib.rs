//! The attribute `#[baton_sdk::plugin]`. It reads which hooks an `impl Plugin for X` block has and exports those, and `on-load`,
//! from the component. Written on bare token trees: a plugin's build needs no parser crates for it.

mod golden;

use proc_macro::{Delimiter, Span, TokenStream, TokenTree};

const HOOKS: [&str; 14] = [
    ON_LOAD,
    "on_connect",
    "on_auth",
    "on_mail",
    "on_rcpt",
    "on_data",
    "on_copy",
    "on_route",
    "on_reply",
    "on_delivered",
    "on_report",
    "on_bounce",
    "on_feedback",
    "on_request",
];

/// Every plugin has it: what its `new` says about the configuration is known before there is mail.
const ON_LOAD: &str = "on_load";

const USAGE: &str = "put `#[baton_sdk::plugin]` on a block `impl Plugin for YourType { .. }`";

struct Mistake {
    at: Span,
    text: String,
}

/// Makes a plugin of an `impl Plugin for X` block: the component exports the hooks that the block implements, and no
/// others. See the crate's documentation.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let exports = if let Some(argument) = arguments.into_iter().next() {
        Err(Mistake {
            at: argument.span(),
            text: "`#[baton_sdk::plugin]` takes no arguments: the hooks are those the block implements".into(),
        })
    } else {
        read(item.clone()).map(|(name, hooks)| export(&name, &hooks))
    };
    let mut output = item;
    match exports {
        Ok(exports) => output.extend(exports),
        Err(mistake) => output.extend(compile_error(&mistake)),
    }
    output
}

/// Puts a folder of cases into the component, which the relay runs before the plugin serves; a version that fails one of them
/// is refused. The folder is seen from `Cargo.toml`: `baton_sdk::golden!("golden");`. The format is in the relay's
/// `docs/golden-tests.md`. A file that is added later is noticed when some file of the crate changes.
#[proc_macro]
pub fn golden(input: TokenStream) -> TokenStream {
    golden::section(input).unwrap_or_else(|mistake| compile_error(&mistake))
}

/// The type's name and the hooks of the block.
fn read(item: TokenStream) -> Result<(String, Vec<String>), Mistake> {
    let tokens: Vec<TokenTree> = item.into_iter().collect();
    let usage = |at: Span| Mistake {
        at,
        text: USAGE.into(),
    };
    let start = tokens
        .iter()
        .position(|token| is_word(token, "impl"))
        .ok_or_else(|| usage(tokens.first().map_or_else(Span::call_site, TokenTree::span)))?;
    if let Some(TokenTree::Punct(punct)) = tokens.get(start + 1)
        && punct.as_char() == '<'
    {
        return Err(Mistake {
            at: punct.span(),
            text: "a plugin is one type without parameters: a component exports each hook once"
                .into(),
        });
    }
    let target = tokens
        .iter()
        .position(|token| is_word(token, "for"))
        .ok_or_else(|| usage(tokens[start].span()))?;
    let name = match tokens.get(target + 1) {
        Some(TokenTree::Ident(name)) => name.to_string(),
        other => return Err(usage(other.map_or(tokens[target].span(), TokenTree::span))),
    };
    let body = match tokens.last() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => group,
        _ => return Err(usage(tokens[start].span())),
    };
    let hooks = hooks(body.stream())?;
    if hooks.iter().all(|hook| hook == ON_LOAD) {
        return Err(Mistake {
            at: body.span(),
            text: format!(
                "this plugin implements no hook, so it would never be called; the hooks are {}",
                HOOKS[1..].join(", ")
            ),
        });
    }
    Ok((name, hooks))
}

/// Names of the functions at the top level of the block, `new` left out.
fn hooks(body: TokenStream) -> Result<Vec<String>, Mistake> {
    let mut found = Vec::new();
    let mut after_fn = false;
    for token in body {
        if let TokenTree::Ident(word) = &token {
            let text = word.to_string();
            if after_fn && text != "new" {
                if !HOOKS.contains(&text.as_str()) {
                    return Err(unknown(&text, word.span()));
                }
                found.push(text.clone());
            }
            after_fn = text == "fn";
        } else {
            after_fn = false;
        }
    }
    Ok(found)
}

fn unknown(name: &str, at: Span) -> Mistake {
    let near = HOOKS
        .iter()
        .map(|hook| (distance(hook, name), *hook))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let text = match near {
        Some((_, hook)) => format!("`{name}` is no hook; did you mean `{hook}`?"),
        None => format!(
            "`{name}` is no hook; put helpers into a block `impl` of their own. The hooks are {}",
            HOOKS.join(", ")
        ),
    };
    Mistake { at, text }
}

/// Levenshtein's, for short names.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

fn export(name: &str, hooks: &[String]) -> TokenStream {
    // The first line counts as a use, so that a native build does not call the type dead code.
    let mut code = format!(
        "const _: fn() -> ::baton_sdk::Result<{name}> = <{name} as ::baton_sdk::Plugin>::new;\n\
         #[cfg(target_family = \"wasm\")]\nconst _: () = {{\ntype BatonShim = ::baton_sdk::__private::Shim<{name}>;\n"
    );
    let others = hooks.iter().map(String::as_str);
    for hook in others.filter(|hook| *hook != ON_LOAD).chain([ON_LOAD]) {
        let module = format!("::baton_sdk::__private::{hook}");
        code.push_str(&format!(
            "{module}::export!(BatonShim with_types_in {module});\n"
        ));
    }
    code.push_str("};");
    code.parse().expect("the generated code is Rust")
}

fn compile_error(mistake: &Mistake) -> TokenStream {
    let code = format!("::core::compile_error!({:?});", mistake.text);
    let stream: TokenStream = code.parse().expect("the generated code is Rust");
    stream
        .into_iter()
        .map(|token| point(token, mistake.at))
        .collect()
}

/// The error is shown where the mistake is.
fn point(mut token: TokenTree, at: Span) -> TokenTree {
    token.set_span(at);
    token
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}
