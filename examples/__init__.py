"""A film studio without a camera: people from mocap joints, motions by rule, clips with truth."""
