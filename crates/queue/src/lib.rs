//! River behind one narrow face.
