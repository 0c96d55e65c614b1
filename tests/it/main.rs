//! The end-to-end suite: one file per behaviour, one binary, so that it links once.

mod alerts;
mod authentication;
mod clients;
mod command_line;
mod copies;
mod crash;
mod deliver;
mod dev;
mod doctor;
mod feedback;
mod hostile;
mod mta_sts;
mod notices;
mod plugins;
mod policy;
mod reach;
mod receive;
mod relaying;
mod routing;
mod signing;
mod suppression;
mod tracking;
mod trials;
mod verifier;
mod webhooks;
mod world;
