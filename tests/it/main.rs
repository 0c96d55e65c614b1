//! The end-to-end suite: one file per behaviour, one binary, so that it links once.

mod clients;
mod command_line;
mod copies;
mod crash;
mod deliver;
mod dev;
mod feedback;
mod hostile;
mod plugins;
mod policy;
mod reach;
mod receive;
mod relaying;
mod routing;
mod tracking;
mod trials;
mod webhooks;
mod world;
