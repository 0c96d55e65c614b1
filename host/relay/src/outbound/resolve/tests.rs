use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

fn mx(preference: u16, exchange: &str) -> Mx {
    Mx {
        preference,
        exchange: exchange.to_owned(),
    }
}

fn order(records: Vec<Mx>, own: &[&str], seed: u64) -> Option<Vec<String>> {
    let own: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
    let hosts = in_order(records, &own, &mut StdRng::seed_from_u64(seed))?;
    Some(hosts.into_iter().map(|host| host.name).collect())
}

#[test]
fn hosts_come_by_preference_and_equals_take_turns() {
    let records = || vec![mx(20, "c"), mx(10, "a"), mx(10, "b"), mx(30, "d")];
    let mut firsts = std::collections::HashSet::new();
    for seed in 0..20 {
        let order = order(records(), &[], seed).expect("hosts");
        firsts.insert(order[0].clone());
        assert_eq!(order[2..], ["c", "d"]);
    }
    assert_eq!(
        firsts.len(),
        2,
        "both hosts of preference 10 come first at times"
    );
}

#[test]
fn a_backup_sends_only_to_hosts_better_than_itself() {
    let records = vec![
        mx(10, "a"),
        mx(20, "Relay.example.net"),
        mx(20, "b"),
        mx(30, "c"),
    ];
    assert_eq!(
        order(records, &["relay.example.net"], 1),
        Some(vec!["a".to_owned()])
    );
}

#[test]
fn the_best_host_does_not_send_to_itself() {
    let records = vec![mx(10, "relay.example.net"), mx(20, "b")];
    assert_eq!(order(records, &["relay.example.net"], 1), None);
}

#[test]
fn an_address_instead_of_a_name_is_taken_as_it_is() {
    let hosts = in_order(
        vec![mx(10, "192.0.2.1")],
        &[],
        &mut StdRng::seed_from_u64(1),
    );
    assert_eq!(
        hosts.expect("a host")[0].address,
        Some("192.0.2.1".parse().expect("an address"))
    );
}
