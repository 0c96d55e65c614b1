//! What each ISP says, in one vocabulary: SMTP replies (`on-reply`) and bounce messages (`on-report`).

pub mod compile;
pub mod duration;
pub mod mime;
pub mod normal;
pub mod reason;
pub mod report;
pub mod source;
pub mod table;
pub mod translate;
