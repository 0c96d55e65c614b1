//! What each ISP says, in one vocabulary: SMTP replies (`on-reply`) and bounce messages (`on-report`).

pub mod compile;
pub mod duration;
mod hooks;
pub mod mime;
pub mod normal;
pub mod reason;
pub mod report;
pub mod source;
pub mod table;
pub mod translate;

pub use hooks::IspResponses;

baton_sdk::golden!("golden");
