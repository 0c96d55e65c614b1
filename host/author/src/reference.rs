//! The reference of the contract, made from its own words: every interface, type and function with its doc comment.

use std::fmt::Write as _;

use wit_parser::{
    Docs, Function, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId, WorldItem,
};

use crate::contract;
use crate::error::Error;

const HEAD: &str = "\
# Reference of the contract

Made from `wit/` by `baton plugin reference`. Names are those of the contract: Rust, Python, C and Go write
`on_data` or `OnData` for `on-data`, JavaScript `onData`.

";

/// The page, in Markdown.
///
/// # Errors
/// [`Error::Component`] where the contract does not parse, which is our own mistake.
pub fn reference() -> Result<String, Error> {
    let (resolve, world) = contract::read("everything")?;
    let world = &resolve.worlds[world];
    let mut page = String::from(HEAD);
    page.push_str("## Hooks\n\nWhat a plugin may export.\n");
    interfaces(&resolve, world.exports.values(), &mut page);
    page.push_str("\n## Imports\n\nWhat a plugin may call, and the types of both.\n");
    interfaces(&resolve, world.imports.values(), &mut page);
    Ok(page)
}

fn interfaces<'a>(
    resolve: &Resolve,
    items: impl Iterator<Item = &'a WorldItem>,
    page: &mut String,
) {
    for item in items {
        if let WorldItem::Interface { id, .. } = item {
            interface(resolve, &resolve.interfaces[*id], page);
        }
    }
}

fn interface(resolve: &Resolve, interface: &Interface, page: &mut String) {
    let name = interface.name.as_deref().unwrap_or_default();
    say(page, &format!("\n### {name}"));
    docs(&interface.docs, page);
    for (name, id) in &interface.types {
        define(resolve, name, &resolve.types[*id], page);
    }
    for function in interface.functions.values() {
        say(page, &format!("\n#### `{}`", signature(resolve, function)));
        docs(&function.docs, page);
    }
}

/// A type with its fields or cases. What another interface defines is only named there.
fn define(resolve: &Resolve, name: &str, def: &TypeDef, page: &mut String) {
    let row = |page: &mut String, name: &str, ty: &str, docs: &Docs| {
        let text = docs
            .contents
            .as_deref()
            .unwrap_or_default()
            .replace('\n', " ");
        let line = format!("- `{name}{ty}` {}", text.trim());
        say(page, line.trim_end());
    };
    let typed =
        |ty: &Option<Type>| ty.map_or(String::new(), |ty| format!("({})", named(resolve, &ty)));
    match &def.kind {
        TypeDefKind::Type(_) => {}
        TypeDefKind::Record(record) => {
            say(page, &format!("\n#### record `{name}`"));
            docs(&def.docs, page);
            page.push('\n');
            for field in &record.fields {
                row(
                    page,
                    &field.name,
                    &format!(": {}", named(resolve, &field.ty)),
                    &field.docs,
                );
            }
        }
        TypeDefKind::Variant(variant) => {
            say(page, &format!("\n#### variant `{name}`"));
            docs(&def.docs, page);
            page.push('\n');
            for case in &variant.cases {
                row(page, &case.name, &typed(&case.ty), &case.docs);
            }
        }
        TypeDefKind::Enum(words) => {
            say(page, &format!("\n#### enum `{name}`"));
            docs(&def.docs, page);
            page.push('\n');
            for case in &words.cases {
                row(page, &case.name, "", &case.docs);
            }
        }
        _ => say(page, &format!("\n#### type `{name}`")),
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameters: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, named(resolve, &param.ty)))
        .collect();
    let result = function
        .result
        .map_or(String::new(), |ty| format!(" -> {}", named(resolve, &ty)));
    format!("{}({}){result}", function.name, parameters.join(", "))
}

fn named(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::U8 => "u8".into(),
        Type::U16 => "u16".into(),
        Type::U32 => "u32".into(),
        Type::S32 => "s32".into(),
        Type::F64 => "f64".into(),
        Type::String => "string".into(),
        Type::Id(id) => named_id(resolve, *id),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn named_id(resolve: &Resolve, id: TypeId) -> String {
    let def = &resolve.types[id];
    if let Some(name) = &def.name {
        return name.clone();
    }
    match &def.kind {
        TypeDefKind::List(ty) => format!("list<{}>", named(resolve, ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", named(resolve, ty)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<String> = tuple.types.iter().map(|ty| named(resolve, ty)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Result(result) => {
            let side = |ty: &Option<Type>| ty.map_or("_".into(), |ty| named(resolve, &ty));
            format!("result<{}, {}>", side(&result.ok), side(&result.err))
        }
        _ => "?".into(),
    }
}

fn docs(docs: &Docs, page: &mut String) {
    if let Some(text) = &docs.contents {
        say(page, &format!("\n{}", text.trim()));
    }
}

fn say(page: &mut String, line: &str) {
    writeln!(page, "{line}").expect("text grows");
}
