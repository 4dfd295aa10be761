-- The only files this database may open, until it ends.
-- {{paths}}: list of text literals.
set allowed_paths = {{paths}}
