//! What `wit-bindgen` makes of the contract: the imports once, and one small world per hook, each with an export macro of
//! its own. A component carries the worlds whose macro its crate invoked, and so exports the hooks its plugin has, and `on-load`.
//! Nothing here is named by authors: the modules beside this one give it a shape.

wit_bindgen::generate!({
    path: ["wit", "worlds"],
    world: "baton:sdk/imports",
    generate_all,
    generate_unused_types: true,
    additional_derives: [PartialEq],
});

macro_rules! hooks {
    ($($module:ident $world:tt { $($interface:tt => $shared:ident),* })*) => {$(
        pub mod $module {
            wit_bindgen::generate!({
                path: ["wit", "worlds"],
                world: $world,
                pub_export_macro: true,
                additional_derives: [PartialEq],
                with: { $($interface: crate::bindings::baton::relay::$shared),* },
            });
        }
    )*};
}

hooks! {
    on_load "baton:sdk/hook-on-load" { }
    on_connect "baton:sdk/hook-on-connect" { "baton:relay/types@0.1.0" => types }
    on_auth "baton:sdk/hook-on-auth" { "baton:relay/types@0.1.0" => types }
    on_mail "baton:sdk/hook-on-mail" { "baton:relay/types@0.1.0" => types }
    on_rcpt "baton:sdk/hook-on-rcpt" { "baton:relay/types@0.1.0" => types }
    on_data "baton:sdk/hook-on-data" { "baton:relay/types@0.1.0" => types }
    on_copy "baton:sdk/hook-on-copy" { "baton:relay/types@0.1.0" => types }
    on_route "baton:sdk/hook-on-route" {
        "baton:relay/types@0.1.0" => types, "baton:relay/deliveries@0.1.0" => deliveries
    }
    on_reply "baton:sdk/hook-on-reply" {
        "baton:relay/types@0.1.0" => types, "baton:relay/deliveries@0.1.0" => deliveries
    }
    on_delivered "baton:sdk/hook-on-delivered" {
        "baton:relay/types@0.1.0" => types, "baton:relay/deliveries@0.1.0" => deliveries
    }
    on_report "baton:sdk/hook-on-report" {
        "baton:relay/types@0.1.0" => types, "baton:relay/deliveries@0.1.0" => deliveries
    }
    on_bounce "baton:sdk/hook-on-bounce" {
        "baton:relay/types@0.1.0" => types, "baton:relay/deliveries@0.1.0" => deliveries
    }
    on_feedback "baton:sdk/hook-on-feedback" {
        "baton:relay/types@0.1.0" => types, "baton:relay/deliveries@0.1.0" => deliveries
    }
    on_request "baton:sdk/hook-on-request" { "baton:relay/http-types@0.1.0" => http_types }
}
