//! The contract as TypeScript sees it: one module for each interface.

use std::fmt::Write as _;

use wit_parser::{Function, Interface, Resolve, Type, TypeDefKind, TypeId, TypeOwner, WorldItem};

use crate::contract;
use crate::error::Error;

/// The text of `baton-relay.d.ts`.
pub fn declarations() -> Result<String, Error> {
    let (resolve, world) = contract::read("everything")?;
    let mut text =
        String::from("// Made from the contract. Do not edit: a build writes it anew.\n");
    let world = &resolve.worlds[world];
    for item in world.imports.values().chain(world.exports.values()) {
        if let WorldItem::Interface { id, .. } = item {
            module(&resolve, &resolve.interfaces[*id], &mut text);
        }
    }
    Ok(text)
}

fn module_name(interface: &Interface) -> String {
    format!(
        "baton:relay/{}@{}",
        interface.name.as_deref().unwrap_or_default(),
        contract::VERSION
    )
}

fn module(resolve: &Resolve, interface: &Interface, text: &mut String) {
    say(
        text,
        &format!("declare module \"{}\" {{", module_name(interface)),
    );
    for (name, id) in &interface.types {
        let name = upper(name);
        match &resolve.types[*id].kind {
            // Of another interface.
            TypeDefKind::Type(Type::Id(of)) => {
                let owner = match resolve.types[*of].owner {
                    TypeOwner::Interface(owner) => module_name(&resolve.interfaces[owner]),
                    _ => continue,
                };
                say(
                    text,
                    &format!(
                        "  import type {{ {name} }} from \"{owner}\";\n  export type {{ {name} }};"
                    ),
                );
            }
            TypeDefKind::Record(record) => {
                let fields: Vec<String> = record
                    .fields
                    .iter()
                    .map(|field| member(&lower(&field.name), &field.ty, resolve))
                    .collect();
                say(
                    text,
                    &format!("  export interface {name} {{ {} }}", fields.join("; ")),
                );
            }
            TypeDefKind::Variant(variant) => {
                let cases: Vec<String> = variant
                    .cases
                    .iter()
                    .map(|case| match &case.ty {
                        Some(ty) => format!(
                            "{{ tag: \"{}\"; {} }}",
                            case.name,
                            member("val", ty, resolve)
                        ),
                        None => format!("{{ tag: \"{}\" }}", case.name),
                    })
                    .collect();
                say(
                    text,
                    &format!("  export type {name} = {};", cases.join(" | ")),
                );
            }
            TypeDefKind::Enum(words) => {
                let cases: Vec<String> = words
                    .cases
                    .iter()
                    .map(|case| format!("\"{}\"", case.name))
                    .collect();
                say(
                    text,
                    &format!("  export type {name} = {};", cases.join(" | ")),
                );
            }
            _ => {}
        }
    }
    for function in interface.functions.values() {
        declare(resolve, function, text);
    }
    say(text, "  export {};\n}");
}

/// A function throws its error, and returns the rest.
fn declare(resolve: &Resolve, function: &Function, text: &mut String) {
    let parameters: Vec<String> = function
        .params
        .iter()
        .map(|param| member(&lower(&param.name), &param.ty, resolve))
        .collect();
    let result = match function.result {
        Some(Type::Id(id)) => match &resolve.types[id].kind {
            TypeDefKind::Result(result) => result
                .ok
                .map_or("void".to_owned(), |ty| named(&ty, resolve)),
            _ => named(&Type::Id(id), resolve),
        },
        Some(ty) => named(&ty, resolve),
        None => "void".into(),
    };
    let docs = function
        .docs
        .contents
        .as_deref()
        .unwrap_or_default()
        .trim()
        .replace('\n', "\n   * ");
    if !docs.is_empty() {
        say(text, &format!("  /** {docs} */"));
    }
    let (name, parameters) = (lower(&function.name), parameters.join(", "));
    // A word of JavaScript's own can be exported and not declared.
    if name == "delete" {
        say(
            text,
            &format!(
                "  function delete_({parameters}): {result};\n  export {{ delete_ as delete }};"
            ),
        );
    } else {
        say(
            text,
            &format!("  export function {name}({parameters}): {result};"),
        );
    }
}

fn member(name: &str, ty: &Type, resolve: &Resolve) -> String {
    format!("{name}: {}", named(ty, resolve))
}

fn named(ty: &Type, resolve: &Resolve) -> String {
    match ty {
        Type::Bool => "boolean".into(),
        Type::String | Type::Char => "string".into(),
        Type::Id(id) => named_id(*id, resolve),
        _ => "number".into(),
    }
}

fn named_id(id: TypeId, resolve: &Resolve) -> String {
    let def = &resolve.types[id];
    if let Some(name) = &def.name {
        return upper(name);
    }
    match &def.kind {
        TypeDefKind::List(Type::U8) => "Uint8Array".into(),
        TypeDefKind::List(ty) => format!("Array<{}>", named(ty, resolve)),
        TypeDefKind::Option(ty) => format!("{} | undefined", named(ty, resolve)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<String> = tuple.types.iter().map(|ty| named(ty, resolve)).collect();
            format!("[{}]", types.join(", "))
        }
        _ => "unknown".into(),
    }
}

fn upper(name: &str) -> String {
    let mut out = String::new();
    for word in name.split('-') {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

fn lower(name: &str) -> String {
    let upper = upper(name);
    upper[..1].to_ascii_lowercase() + &upper[1..]
}

fn say(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("text grows");
}
