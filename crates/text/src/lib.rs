//! Every word the page and the command show.
