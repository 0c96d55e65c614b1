//! Directions of dependency and doors.
