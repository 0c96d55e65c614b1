//! Every text a peer reads.
